"""Importing the package first repairs mmcv and torchvision for whatever a test imports."""

import mnv4_vision  # noqa: F401
