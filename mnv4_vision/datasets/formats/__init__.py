"""COCO JSON, Pascal VOC and YOLO: found below a folder, read, written, divided."""

from mnv4_vision.datasets.formats.convert import convert_set
from mnv4_vision.datasets.formats.divide import class_counts, divide_set
from mnv4_vision.datasets.formats.layout import (
    HOW_TO_GET,
    DataLayout,
    find_data,
    paths_of,
)

__all__ = [
    "HOW_TO_GET",
    "DataLayout",
    "class_counts",
    "convert_set",
    "divide_set",
    "find_data",
    "paths_of",
]
