"""The tables of models in the documents, generated from the config files."""

from mnv4_vision.core.model_table.block import Block, replace_block
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
    "Counts",
    "DetectorRow",
    "SegmenterRow",
    "format_detectors",
    "format_segmenters",
    "measure_detector",
    "measure_segmenter",
    "replace_block",
]

TABLES = (
    Block("models", "configs/det", measure_detector, format_detectors),
    Block("segmentation", "configs/seg", measure_segmenter, format_segmenters),
)
