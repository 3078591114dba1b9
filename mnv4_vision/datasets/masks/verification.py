"""Verification of a segmentation set before training, remembered while nothing changes."""

import hashlib
from collections.abc import Mapping

from mnv4_vision.datasets.masks.data import MaskData
from mnv4_vision.datasets.masks.mask_checks import (
    MaskSplit,
    check_classes,
    check_pairs,
)
from mnv4_vision.datasets.masks.mask_summary import MaskSummary, format_mask_summaries
from mnv4_vision.datasets.masks.zero_label import check_zero_label
from mnv4_vision.datasets.verification.findings import Findings
from mnv4_vision.datasets.verification.image_checks import ImageFile, Listing, find_copies
from mnv4_vision.datasets.verification.memory import remembered
from mnv4_vision.datasets.verification.report import Report

__all__ = ["MaskReport", "splits_of", "verify_masks"]

_CHECKS_VERSION = 2  # of what is found and how it is said; another one makes old results unused


class MaskReport(Report):
    """What a segmentation set holds and what is wrong with it."""

    summary_type = MaskSummary

    def describe_counts(self) -> str:
        """Return the counts of images and pixels."""
        return format_mask_summaries(self.summaries)


def splits_of(data: MaskData) -> dict[str, MaskSplit]:
    """Return what train and val of a set read, as far as they are there."""
    return {name: MaskSplit(data, name) for name in ("train", "val") if data.splits.get(name)}


def verify_masks(splits: Mapping[str, MaskSplit], *, decode: bool | None = None) -> MaskReport:
    """Check photos and masks, or return what was found when the same files were checked.

    Args:
        splits: "train" and "val", or one of them.
        decode: Decode every photo and mask; by default at most `MAX_COUNTED` masks a split, and all
            photos of up to `MAX_DECODED`.
    """
    return remembered(_key(splits, decode), MaskReport, lambda: _verify(splits, decode))


def _verify(
    splits: Mapping[str, MaskSplit], decode: bool | None
) -> tuple[MaskReport, dict[str, Listing]]:
    findings, conventions = Findings(), Findings()
    summaries: dict[str, MaskSummary] = {}
    listings: dict[str, Listing] = {}
    images: list[ImageFile] = []
    values: dict[str, set[int]] = {}
    notes: list[str] = []
    for split, files in splits.items():
        checked = check_pairs(split, files, findings, listings, decode=decode)
        summaries[split], values[split] = checked.summary, checked.values
        images += checked.images
        if checked.is_sample:
            counted, total = checked.summary.num_counted, checked.summary.num_images
            notes.append(
                f"{split}: {counted} of {total} masks were decoded; `python tools/data.py verify "
                "--decode` reads all"
            )
    check_zero_label(splits, values, conventions)
    find_copies(images, findings)
    check_classes(summaries, findings)
    # The conventions first: they are the cause of values that fit no class.
    found = Findings([*conventions.as_list(), *findings.as_list()])
    return MaskReport(summaries, found, notes), listings


def _key(splits: Mapping[str, MaskSplit], decode: bool | None) -> str:
    """Digest what the result depends on, the files' contents apart."""
    digest = hashlib.sha256(f"masks {_CHECKS_VERSION} {decode}".encode())
    for split, files in splits.items():
        data = files.data
        parts = (split, files.skips_bad_images, data.zero_is_none, data.classes, data.encoding)
        digest.update(repr((*parts, files.unpaired)).encode("utf-8", "surrogateescape"))
        for image, mask in files.pairs:
            digest.update(f"{image}\0{mask}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
