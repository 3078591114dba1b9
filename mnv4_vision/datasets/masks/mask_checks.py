"""Checks of the pairs of photo and mask, and of what their values say together."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnv4_vision.datasets.masks.data import MaskData, MaskPair, Unpaired
from mnv4_vision.datasets.masks.encoding import IGNORED
from mnv4_vision.datasets.masks.mask_files import MaskFile, examine_mask
from mnv4_vision.datasets.masks.mask_summary import MaskSummary
from mnv4_vision.datasets.verification.findings import MANY_IMAGES, SKIPPED_SHARE, Findings
from mnv4_vision.datasets.verification.image_checks import (
    ImageFile,
    Listing,
    check_images,
    in_threads,
    list_folder,
)

__all__ = ["MAX_COUNTED", "CheckedSplit", "MaskSplit", "check_classes", "check_pairs"]

# At most so many masks of a split are decoded by default: all, every second, every third, ...
MAX_COUNTED = 4000
_MUCH_IGNORED = 50  # per cent of the pixels


@dataclass(frozen=True)
class MaskSplit:
    """What one split reads.

    Attributes:
        data: The set it belongs to.
        name: Its name there.
        skips_bad_images: Whether its loader goes on without photos that cannot be read.
    """

    data: MaskData
    name: str
    skips_bad_images: bool = False

    @property
    def pairs(self) -> tuple[MaskPair, ...]:
        """Photos and masks."""
        return self.data.splits[self.name]

    @property
    def unpaired(self) -> Unpaired:
        """Files that lack the other half."""
        return self.data.unpaired.get(self.name, Unpaired())


@dataclass
class CheckedSplit:
    """What was found in a split.

    Attributes:
        summary: Counts.
        images: The photos.
        is_sample: Whether only a part of the masks was decoded.
        values: Distinct values in these masks; empty for colours.
    """

    summary: MaskSummary
    images: list[ImageFile]
    is_sample: bool = False
    values: set[int] = field(default_factory=set)


def check_pairs(
    split: str,
    files: MaskSplit,
    findings: Findings,
    listings: dict[str, Listing],
    *,
    decode: bool | None = None,
) -> CheckedSplit:
    """Check each photo and each mask of a split, and that they fit.

    Args:
        split: Name in the findings: "train" or "val".
        files: What it reads.
        findings: Takes what is wrong.
        listings: Takes the folders that were listed.
        decode: Decode every photo and mask; by default only where there are few.
    """
    pairs, data = files.pairs, files.data
    _note_unpaired(split, files, findings)
    images = _check_photos(split, files, findings, listings, decode)
    for folder in {pair.mask.parent for pair in pairs}:
        listings.setdefault(str(folder), list_folder(folder))
    step = 1 if decode else max(1, -(-len(pairs) // MAX_COUNTED))
    jobs = [(pair, data.encoding, index % step == 0) for index, pair in enumerate(pairs)]
    summary = MaskSummary(_folder_of(pair.mask for pair in pairs), data.classes)
    checked = CheckedSplit(summary, images, is_sample=step > 1)
    photos = {image.path: image for image in images}
    for pair, mask in zip(pairs, in_threads(examine_mask, jobs), strict=True):
        checked.summary.count(mask)
        checked.values |= mask.values
        _note_mask(split, pair, mask, photos.get(pair.image), len(pairs), findings)
    _note_counts(split, checked, IGNORED in data.encoding.ignored, findings)
    return checked


def check_classes(summaries: Mapping[str, MaskSummary], findings: Findings) -> None:
    """Note classes that no pixel has, and those that val asks for and train never shows.

    A class on a few validation images may be missing in train by chance.
    """
    for split, summary in summaries.items():
        for name in summary.classes if summary.class_pixels else ():
            if not summary.class_pixels[name]:
                findings.add("no_pixels", split, len(summary.classes), name)
    train, val = summaries.get("train"), summaries.get("val")
    if not (train and val and train.class_pixels):
        return
    for name in train.classes:
        images = val.class_images[name]
        if not train.class_pixels[name] and images >= MANY_IMAGES:
            sample = f"{train.num_counted} decoded " if train.is_sample else ""
            example = (
                f"no pixel of class {name!r} in the {sample}masks of {train.place}, {images} val "
                "masks have some"
            )
            tolerance = 1.0 if train.is_sample else None  # it may be in the others
            findings.add("untrained", "train", len(train.classes), example, tolerance)


def _note_unpaired(split: str, files: MaskSplit, findings: Findings) -> None:
    for kind, paths, what in (
        ("no_mask", files.unpaired.images, "image {} has no mask"),
        ("no_image", files.unpaired.masks, "mask {} has no image"),
    ):
        for path in paths:
            findings.add(kind, split, len(files.pairs) + len(paths), what.format(path))


def _check_photos(
    split: str,
    files: MaskSplit,
    findings: Findings,
    listings: dict[str, Listing],
    decode: bool | None,
) -> list[ImageFile]:
    folder = _folder_of(pair.image for pair in files.pairs)
    records = [{"file_name": pair.image.relative_to(folder).as_posix()} for pair in files.pairs]
    return check_images(
        split,
        files.data.root,
        folder,
        records,
        findings,
        listings,
        decode=decode,
        tolerance=SKIPPED_SHARE if files.skips_bad_images else None,
    )


def _folder_of(paths: Iterable[Path]) -> Path:
    """Return the folder that all the files lie in."""
    return Path(os.path.commonpath({path.parent for path in paths}))


def _note_mask(
    split: str,
    pair: MaskPair,
    mask: MaskFile,
    photo: ImageFile | None,
    total: int,
    findings: Findings,
) -> None:
    if mask.problem:
        findings.add(mask.problem[0], split, total, mask.problem[1])
    if photo and mask.size and photo.size and mask.size != photo.size:
        sizes = ["{}x{}".format(*size) for size in (mask.size, photo.size)]
        example = f"mask {pair.mask} is {sizes[0]}, its photo {pair.image} is {sizes[1]}"
        findings.add("mask_size", split, total, example)
    if mask.labels is not None and mask.labels[IGNORED] == mask.labels.sum():
        findings.add("all_ignored", split, total, str(pair.mask))


def _note_counts(split: str, checked: CheckedSplit, ignores_255: bool, findings: Findings) -> None:
    summary = checked.summary
    if ignores_255 and checked.values == {0, IGNORED}:
        example = f"the masks in {summary.place} hold only 0 and 255, as tools for two classes do"
        findings.add("binary_255", split, 1, example)
    elif summary.num_counted and summary.num_ignored == summary.num_pixels:
        example = f"none of the {summary.num_counted} masks in {summary.place} has a labelled pixel"
        findings.add("no_labels", split, 1, example)
    elif summary.ignored_share > _MUCH_IGNORED:
        example = f"{summary.place}: {summary.ignored_share:.0f} % of the pixels have no class"
        findings.add("mostly_ignored", split, 1, example)
