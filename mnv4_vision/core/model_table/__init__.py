"""The tables of models in the documents, generated from the config files."""

from mnv4_vision.core.model_table.block import Block, replace_block
from mnv4_vision.core.model_table.classification import (
    ClassifierRow,
    format_classifiers,
    measure_classifier,
)
from mnv4_vision.core.model_table.detection import DetectorRow, format_detectors, measure_detector
from mnv4_vision.core.model_table.segmentation import (
    Counts,
    SegmenterRow,
    format_segmenters,
    measure_segmenter,
)

__all__ = [
    "TABLES",
    "Block",
    "ClassifierRow",
    "Counts",
    "DetectorRow",
    "SegmenterRow",
    "format_classifiers",
    "format_detectors",
    "format_segmenters",
    "measure_classifier",
    "measure_detector",
    "measure_segmenter",
    "replace_block",
]

TABLES = (
    Block("classification", "configs/cls", measure_classifier, format_classifiers),
    Block("models", "configs/det", measure_detector, format_detectors),
    Block("segmentation", "configs/seg", measure_segmenter, format_segmenters),
)
