"""What mmdet lacks for mobile detectors: separable FPN and head, COCO metric, inference, task."""

from mnv4_vision.core.drawing import contact_sheet
from mnv4_vision.det.drawing import draw_comparison, draw_detections
from mnv4_vision.det.evaluation import (
    CocoScores,
    FastCocoMetric,
    ValLossHook,
    evaluate_coco,
    format_table,
)
from mnv4_vision.det.inference import Detections, Detector, detections_to_json
from mnv4_vision.det.models import (
    MobileSSDHead,
    PredictingSSDHead,
    ScaledSSDAnchors,
    SeparableConv2d,
    SeparableFPN,
    SeparableRetinaHead,
    SSDExtraLevels,
)
from mnv4_vision.det.task import DetectionTask
from mnv4_vision.det.transforms import Albumentations, CloseMosaicHook, PackBoxes, ResizeCropFlip

__all__ = [
    "Albumentations",
    "CloseMosaicHook",
    "CocoScores",
    "DetectionTask",
    "Detections",
    "Detector",
    "FastCocoMetric",
    "MobileSSDHead",
    "PackBoxes",
    "PredictingSSDHead",
    "ResizeCropFlip",
    "SSDExtraLevels",
    "ScaledSSDAnchors",
    "SeparableConv2d",
    "SeparableFPN",
    "SeparableRetinaHead",
    "ValLossHook",
    "contact_sheet",
    "detections_to_json",
    "draw_comparison",
    "draw_detections",
    "evaluate_coco",
    "format_table",
]
