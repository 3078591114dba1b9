"""Data on disk: the demo generator, layout discovery, checks before training, image loading."""

from mnv4_vision.datasets._coco_json import read_json
from mnv4_vision.datasets.demo import DEMO_CLASSES, make_demo
from mnv4_vision.datasets.formats import (
    HOW_TO_GET,
    DataLayout,
    class_counts,
    convert_set,
    divide_set,
    find_data,
    paths_of,
)
from mnv4_vision.datasets.kinds import find_boxes_or_masks, has_masks
from mnv4_vision.datasets.loading import LoadImage, read_image
from mnv4_vision.datasets.masks import (
    MaskData,
    find_masks,
    splits_of,
    verify_masks,
    write_mask_statistics,
)
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
    "MaskData",
    "SplitPaths",
    "SplitSummary",
    "class_counts",
    "class_table",
    "convert_set",
    "divide_set",
    "draw_statistics",
    "find_boxes_or_masks",
    "find_data",
    "find_masks",
    "has_masks",
    "make_demo",
    "measure",
    "paths_of",
    "read_image",
    "read_json",
    "read_usable",
    "splits_of",
    "summarise",
    "verify_data",
    "verify_masks",
    "write_mask_statistics",
    "write_statistics",
]
