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
from mnv4_vision.datasets.image_folders import (
    LabelledImages,
    find_images,
    image_splits_of,
    pack_images,
    verify_images,
    write_image_statistics,
)
from mnv4_vision.datasets.kinds import KINDS_OF_DATA, find_labels, other_tasks, task_of
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
    "KINDS_OF_DATA",
    "DataLayout",
    "DataReport",
    "LabelledImages",
    "LoadImage",
    "MaskData",
    "SplitPaths",
    "SplitSummary",
    "class_counts",
    "class_table",
    "convert_set",
    "divide_set",
    "draw_statistics",
    "find_data",
    "find_images",
    "find_labels",
    "find_masks",
    "image_splits_of",
    "make_demo",
    "measure",
    "other_tasks",
    "pack_images",
    "paths_of",
    "read_image",
    "read_json",
    "read_usable",
    "splits_of",
    "summarise",
    "task_of",
    "verify_data",
    "verify_images",
    "verify_masks",
    "write_image_statistics",
    "write_mask_statistics",
    "write_statistics",
]
