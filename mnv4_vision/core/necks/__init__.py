"""Necks that every task can put between a backbone and a head."""

from mnv4_vision.core.necks.multi_scale_fusion import MultiScaleFusionNeck

__all__ = ["MultiScaleFusionNeck"]
