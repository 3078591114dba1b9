"""Classification sets: images in a folder for each class, and what holds the same."""

from mnv4_vision.datasets.image_folders.data import LabelledImage, LabelledImages
from mnv4_vision.datasets.image_folders.find import NoClassesError, find_images
from mnv4_vision.datasets.image_folders.pack import pack_images
from mnv4_vision.datasets.image_folders.statistics import (
    draw_image_statistics,
    write_image_statistics,
)
from mnv4_vision.datasets.image_folders.summary import ImageSummary, image_class_table
from mnv4_vision.datasets.image_folders.verification import (
    ImageReport,
    ImageSplit,
    image_splits_of,
    verify_images,
)

__all__ = [
    "ImageReport",
    "ImageSplit",
    "ImageSummary",
    "LabelledImage",
    "LabelledImages",
    "NoClassesError",
    "draw_image_statistics",
    "find_images",
    "image_class_table",
    "image_splits_of",
    "pack_images",
    "verify_images",
    "write_image_statistics",
]
