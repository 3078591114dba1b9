"""MobileNetV4: tables, blocks, backbone, classifier, deployed form; and timm's networks."""

from mnv4_vision.core.backbones.deploy import deploy
from mnv4_vision.core.backbones.head import MobileNetV4Classifier, MobileNetV4Head
from mnv4_vision.core.backbones.mobilenet_v4 import MobileNetV4
from mnv4_vision.core.backbones.specs import ARCHS, Arch, get_arch
from mnv4_vision.core.backbones.timm_backbone import TimmBackbone
from mnv4_vision.core.backbones.timm_keys import from_timm, to_timm

__all__ = [
    "ARCHS",
    "Arch",
    "MobileNetV4",
    "MobileNetV4Classifier",
    "MobileNetV4Head",
    "TimmBackbone",
    "deploy",
    "from_timm",
    "get_arch",
    "to_timm",
]
