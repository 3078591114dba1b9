"""The heads and the segmentor that mmseg lacks for mobile networks."""

from mnv4_vision.seg.models.deeplab import DeepLabHead, SeparableASPP
from mnv4_vision.seg.models.lraspp import MobileLRASPPHead
from mnv4_vision.seg.models.peers import PooledLRASPPHead
from mnv4_vision.seg.models.segmentor import MobileSegmentor

__all__ = [
    "DeepLabHead",
    "MobileLRASPPHead",
    "MobileSegmentor",
    "PooledLRASPPHead",
    "SeparableASPP",
]
