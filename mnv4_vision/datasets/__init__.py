"""Data on disk: the demo generator, layout discovery, checks before training, image loading."""

from mnv4_vision.datasets._coco_json import read_json
from mnv4_vision.datasets.demo import DEMO_CLASSES, make_demo
from mnv4_vision.datasets.formats import (
    HOW_TO_GET,
    DataLayout,
    class_counts,
    convert_set,
    divide_set,
    find_any_data,
    find_data,
    paths_of,
)
from mnv4_vision.datasets.loading import LoadImage, read_image
from mnv4_vision.datasets.verification import (
    DataReport,
    SplitPaths,
    SplitSummary,
    class_table,
    draw_statistics,
    measure,
    read_usable,
    summarise,
    verify_data,
    write_statistics,
)

__all__ = [
    "DEMO_CLASSES",
    "HOW_TO_GET",
    "DataLayout",
    "DataReport",
    "LoadImage",
    "SplitPaths",
    "SplitSummary",
    "class_counts",
    "class_table",
    "convert_set",
    "divide_set",
    "draw_statistics",
    "find_any_data",
    "find_data",
    "make_demo",
    "measure",
    "paths_of",
    "read_image",
    "read_json",
    "read_usable",
    "summarise",
    "verify_data",
    "write_statistics",
]
