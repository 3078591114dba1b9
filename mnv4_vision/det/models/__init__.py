"""What mmdet lacks of mobile detectors: separable RetinaNet, SSD and SSDLite on any backbone."""

from mnv4_vision.det.models.retina_head import SeparableRetinaHead
from mnv4_vision.det.models.separable import SeparableConv2d, SeparableFPN
from mnv4_vision.det.models.ssd import follow_levels
from mnv4_vision.det.models.ssd_anchors import ScaledSSDAnchors
from mnv4_vision.det.models.ssd_head import MobileSSDHead, PredictingSSDHead
from mnv4_vision.det.models.ssd_neck import SSDExtraLevels

__all__ = [
    "MobileSSDHead",
    "PredictingSSDHead",
    "SSDExtraLevels",
    "ScaledSSDAnchors",
    "SeparableConv2d",
    "SeparableFPN",
    "SeparableRetinaHead",
    "follow_levels",
]
