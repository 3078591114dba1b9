"""Semantic segmentation sets: photos, masks, and what the values of the masks mean."""

from mnv4_vision.datasets.masks.data import MaskData, MaskPair, Unpaired
from mnv4_vision.datasets.masks.encoding import IGNORED, Colour, MaskEncoding
from mnv4_vision.datasets.masks.find import NoMasksError, find_masks
from mnv4_vision.datasets.masks.mask_checks import MaskSplit
from mnv4_vision.datasets.masks.mask_statistics import (
    draw_mask_statistics,
    write_mask_statistics,
)
from mnv4_vision.datasets.masks.mask_summary import MaskSummary, mask_class_table
from mnv4_vision.datasets.masks.reading import MASK_SUFFIXES, read_mask
from mnv4_vision.datasets.masks.verification import MaskReport, splits_of, verify_masks

__all__ = [
    "IGNORED",
    "MASK_SUFFIXES",
    "Colour",
    "MaskData",
    "MaskEncoding",
    "MaskPair",
    "MaskReport",
    "MaskSplit",
    "MaskSummary",
    "NoMasksError",
    "Unpaired",
    "draw_mask_statistics",
    "find_masks",
    "mask_class_table",
    "read_mask",
    "splits_of",
    "verify_masks",
    "write_mask_statistics",
]
