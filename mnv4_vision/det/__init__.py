"""What mmdet lacks for mobile detectors: separable FPN and head, COCO metric, inference, task."""

from mnv4_vision.det.coco_metric import FastCocoMetric
from mnv4_vision.det.drawing import contact_sheet, draw_comparison, draw_detections
from mnv4_vision.det.evaluation import CocoScores, evaluate_coco, format_table
from mnv4_vision.det.inference import Detections, Detector, detections_to_json
from mnv4_vision.det.retina_head import SeparableRetinaHead
from mnv4_vision.det.separable import SeparableConv2d, SeparableFPN
from mnv4_vision.det.task import DetectionTask
from mnv4_vision.det.transforms import Albumentations

__all__ = [
    "Albumentations",
    "CocoScores",
    "DetectionTask",
    "Detections",
    "Detector",
    "FastCocoMetric",
    "SeparableConv2d",
    "SeparableFPN",
    "SeparableRetinaHead",
    "contact_sheet",
    "detections_to_json",
    "draw_comparison",
    "draw_detections",
    "evaluate_coco",
    "format_table",
]
