"""Verification of a detection set before training, remembered while nothing changes.

Findings are collected, so that one run shows them all; only a file that is no COCO annotation file
stops at once.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mnv4_vision.datasets.verification.checks import check_annotations
from mnv4_vision.datasets.verification.findings import MANY_IMAGES, SKIPPED_SHARE, Findings
from mnv4_vision.datasets.verification.image_checks import (
    ImageFile,
    Listing,
    check_images,
    find_copies,
)
from mnv4_vision.datasets.verification.memory import remembered
from mnv4_vision.datasets.verification.report import Report
from mnv4_vision.datasets.verification.summary import SplitSummary, format_summaries

__all__ = ["DataReport", "SplitPaths", "verify_data"]

CHECKS_VERSION = 2  # of what is found and how it is said; another one makes old results unused


@dataclass(frozen=True)
class SplitPaths:
    """What one split reads.

    Attributes:
        ann_file: COCO detection annotations.
        image_dir: Folder that the file names are relative to.
        skips_bad_images: Whether its loader goes on without images that cannot be read.
    """

    ann_file: Path
    image_dir: Path
    skips_bad_images: bool = False


class DataReport(Report):
    """What a detection set holds and what is wrong with it."""

    summary_type = SplitSummary

    def describe_counts(self) -> str:
        """Return the counts of boxes and images."""
        return format_summaries(self.summaries)


def verify_data(splits: Mapping[str, SplitPaths], *, decode: bool | None = None) -> DataReport:
    """Check annotations and images, or return what was found when the same files were checked.

    Args:
        splits: "train" and "val", or one of them.
        decode: Decode every image; by default only in sets of up to `MAX_DECODED` images.

    Raises:
        InputError: A file is no COCO detection file; the message names file and record.
    """
    return remembered(_key(splits, decode), DataReport, lambda: _verify(splits, decode))


def _verify(
    splits: Mapping[str, SplitPaths], decode: bool | None
) -> tuple[DataReport, dict[str, Listing]]:
    """Check everything; also return the image folders as they were then."""
    report = DataReport({}, Findings())
    files: list[ImageFile] = []
    listings: dict[str, Listing] = {}
    for split, paths in splits.items():
        summary, images = check_annotations(split, paths.ann_file, report.findings)
        report.summaries[split] = summary
        files += check_images(
            split,
            paths.ann_file,
            paths.image_dir,
            images,
            report.findings,
            listings,
            decode=decode,
            tolerance=SKIPPED_SHARE if paths.skips_bad_images else None,
        )
    find_copies(files, report.findings)
    if {"train", "val"} <= report.summaries.keys():
        _compare_classes(report)
    return report, listings


def _compare_classes(report: DataReport) -> None:
    """Note classes that val asks for again and again and train never shows.

    A class on a few validation images may be missing in train by chance, as many are in a small
    part of COCO.
    """
    train, val = report.summaries["train"], report.summaries["val"]
    for name in train.classes:
        images = val.class_images[name]
        if train.class_counts[name] == 0 and images >= MANY_IMAGES:
            example = f"{train.ann_file} has no box of class {name!r}, {images} val images have one"
            report.findings.add("never_trained", "train", len(train.classes), example)


def _key(splits: Mapping[str, SplitPaths], decode: bool | None) -> str:
    """Digest what the result depends on, the image files apart."""
    digest = hashlib.sha256(f"{CHECKS_VERSION} {decode}".encode())
    for split, paths in splits.items():
        digest.update(f"\0{split}\0{paths!r}\0{paths.image_dir.absolute()}\0".encode())
        # What is wrong with the file is said when it is read.
        with suppress(OSError), paths.ann_file.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()
