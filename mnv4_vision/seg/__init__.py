"""What mmseg lacks for mobile segmentation: heads, data sets, metric, inference, task."""

from mnv4_vision.seg.class_balance import ClassBalancedSampler, ClassWeightsHook
from mnv4_vision.seg.dataset import MaskDataset
from mnv4_vision.seg.drawing import add_legend, colour_labels, draw_labels
from mnv4_vision.seg.evaluation import SegmentationMetric, ValLossHook
from mnv4_vision.seg.inference import Segmentation, Segmenter
from mnv4_vision.seg.models import (
    DeepLabHead,
    MobileLRASPPHead,
    MobileSegmentor,
    PooledLRASPPHead,
    SeparableASPP,
)
from mnv4_vision.seg.options import AuxiliaryHead, HardPixelSampler
from mnv4_vision.seg.task import SegmentationTask
from mnv4_vision.seg.transforms import (
    Albumentations,
    CoverResize,
    LoadMask,
    RandomScaleCropFlip,
)

__all__ = [
    "Albumentations",
    "AuxiliaryHead",
    "ClassBalancedSampler",
    "ClassWeightsHook",
    "CoverResize",
    "DeepLabHead",
    "HardPixelSampler",
    "LoadMask",
    "MaskDataset",
    "MobileLRASPPHead",
    "MobileSegmentor",
    "PooledLRASPPHead",
    "RandomScaleCropFlip",
    "Segmentation",
    "SegmentationMetric",
    "SegmentationTask",
    "Segmenter",
    "SeparableASPP",
    "ValLossHook",
    "add_legend",
    "colour_labels",
    "draw_labels",
]
