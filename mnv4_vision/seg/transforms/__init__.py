"""Pipeline steps for photos with label maps."""

from mnv4_vision.seg.transforms.albumentations import Albumentations
from mnv4_vision.seg.transforms.geometry import CoverResize, RandomScaleCropFlip
from mnv4_vision.seg.transforms.loading import LoadMask

__all__ = ["Albumentations", "CoverResize", "LoadMask", "RandomScaleCropFlip"]
