"""Verification of a classification set before training, remembered while nothing changes."""

import hashlib
from collections.abc import Mapping

from mnv4_vision.datasets.image_folders.data import LabelledImages
from mnv4_vision.datasets.image_folders.image_split import (
    ImageSplit,
    check_classes,
    check_split,
    note_small,
    note_two_labels,
)
from mnv4_vision.datasets.image_folders.summary import ImageSummary, format_image_summaries
from mnv4_vision.datasets.verification.findings import Findings
from mnv4_vision.datasets.verification.image_checks import ImageFile, Listing, find_copies
from mnv4_vision.datasets.verification.memory import remembered
from mnv4_vision.datasets.verification.report import Report

__all__ = ["USUAL_INPUT_PX", "ImageReport", "ImageSplit", "image_splits_of", "verify_images"]

USUAL_INPUT_PX = 224
_CHECKS_VERSION = 1  # of what is found and how it is said; another one makes old results unused


class ImageReport(Report):
    """What a classification set holds and what is wrong with it."""

    summary_type = ImageSummary

    def describe_counts(self) -> str:
        """Return the counts of images and classes."""
        return format_image_summaries(self.summaries)


def image_splits_of(data: LabelledImages) -> dict[str, ImageSplit]:
    """Return what train and val of a set read, as far as they are there."""
    return {name: ImageSplit(data, name) for name in ("train", "val") if data.splits.get(name)}


def verify_images(
    splits: Mapping[str, ImageSplit],
    *,
    decode: bool | None = None,
    input_px: int = USUAL_INPUT_PX,
) -> ImageReport:
    """Check images and classes, or return what was found when the same files were checked.

    Args:
        splits: "train" and "val", or one of them.
        decode: Decode every image; by default all of up to `MAX_DECODED` a split, of more the
            headers of `MAX_CHECKED`, and of packed sets `MAX_DECODED` records.
        input_px: Side of the network's input, to name images that are far smaller.
    """
    if any(files.step(decode) > 1 and not files.is_packed for files in splits.values()):
        return _verify(splits, decode, input_px)[0]  # quicker than to see whether files changed
    key = _key(splits, decode, input_px)
    return remembered(key, ImageReport, lambda: _verify(splits, decode, input_px))


def _verify(
    splits: Mapping[str, ImageSplit], decode: bool | None, input_px: int
) -> tuple[ImageReport, dict[str, Listing]]:
    findings = Findings()
    summaries: dict[str, ImageSummary] = {}
    listings: dict[str, Listing] = {}
    images: list[ImageFile] = []
    notes: list[str] = []
    for split, files in splits.items():
        summaries[split], found = check_split(split, files, findings, listings, decode=decode)
        note_small(split, found, input_px, findings)
        images += found
        if files.step(decode) > 1:
            notes.append(
                f"{split}: {len(found)} of {len(files.images)} images were looked at; `python "
                "tools/data.py verify --decode` reads all"
            )
    note_two_labels(find_copies(images, findings), splits, findings)
    check_classes(summaries, findings)
    return ImageReport(summaries, findings, notes), listings


def _key(splits: Mapping[str, ImageSplit], decode: bool | None, input_px: int) -> str:
    """Digest what the result depends on, the files' contents apart."""
    digest = hashlib.sha256(f"images {_CHECKS_VERSION} {decode} {input_px}".encode())
    for split, files in splits.items():
        parts = (split, files.skips_bad_images, str(files.data.root), files.data.classes)
        digest.update(repr(parts).encode("utf-8", "surrogateescape"))
        for path, label in files.images:
            digest.update(f"{path}\0{label}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
