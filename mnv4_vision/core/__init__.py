"""What every task shares: backbones, weights, engine. Never imports mmdet or mmseg."""

from mnv4_vision.core import backbones

__all__ = ["backbones"]
