"""Data on disk: the demo generator, layout discovery, checks before training, image loading."""

from mnv4_vision.datasets._coco_json import read_json
from mnv4_vision.datasets.checks import CocoSummary, check_coco
from mnv4_vision.datasets.demo import DEMO_CLASSES, make_demo
from mnv4_vision.datasets.layout import HOW_TO_GET, CocoLayout, find_coco
from mnv4_vision.datasets.loading import LoadImage, read_image

__all__ = [
    "DEMO_CLASSES",
    "HOW_TO_GET",
    "CocoLayout",
    "CocoSummary",
    "LoadImage",
    "check_coco",
    "find_coco",
    "make_demo",
    "read_image",
    "read_json",
]
