"""Checks of the images of one split, all of them or a sample, and of the classes' counts."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mnv4_vision.datasets.image_folders.data import LabelledImage, LabelledImages
from mnv4_vision.datasets.image_folders.summary import ImageSummary
from mnv4_vision.datasets.stores import is_record
from mnv4_vision.datasets.verification.findings import MANY_IMAGES, SKIPPED_SHARE, Findings
from mnv4_vision.datasets.verification.image_checks import (
    MAX_DECODED,
    ImageFile,
    Listing,
    check_images,
    examine_images,
    list_folder,
)

__all__ = [
    "MAX_CHECKED",
    "ImageSplit",
    "check_classes",
    "check_split",
    "note_small",
    "note_two_labels",
]

# Of more images a split, every second, third, ... is looked at by default, and none is listed with
# size and time: 1.28 million of them take minutes on a network disk.
MAX_CHECKED = 20_000
_IMBALANCE = 10


@dataclass(frozen=True)
class ImageSplit:
    """What one split reads.

    Attributes:
        data: The set it belongs to.
        name: Its name there.
        skips_bad_images: Whether its loader goes on without images that cannot be read.
    """

    data: LabelledImages
    name: str
    skips_bad_images: bool = False

    @property
    def images(self) -> tuple[LabelledImage, ...]:
        """Paths and labels."""
        return self.data.splits[self.name]

    @property
    def is_packed(self) -> bool:
        """Whether the images are records of a store."""
        return is_record(self.images[0].path)

    def step(self, decode: bool | None) -> int:
        """Return `n` where every n-th image is looked at."""
        limit = MAX_DECODED if self.is_packed else MAX_CHECKED
        return 1 if decode else -(-len(self.images) // limit)


def check_split(
    split: str,
    files: ImageSplit,
    findings: Findings,
    listings: dict[str, Listing],
    *,
    decode: bool | None = None,
) -> tuple[ImageSummary, list[ImageFile]]:
    """Check the images of a split; return the counts and the images that are there.

    Args:
        split: Name in the findings: "train" or "val".
        files: What it reads.
        findings: Takes what is wrong.
        listings: Takes the folders that were listed.
        decode: Decode every image; by default only where there are few.
    """
    data, root, step = files.data, files.data.root, files.step(decode)
    records = [{"file_name": _below(root, image.path)} for image in files.images[::step]]
    tolerance = SKIPPED_SHARE if files.skips_bad_images else None
    if files.is_packed:
        listings.setdefault(str(root), list_folder(root))
    if files.is_packed or step > 1:
        # Records were whole when they were packed, and the files' sizes are the same.
        found = examine_images(
            split,
            root,
            records,
            findings,
            decode=bool(decode) or files.is_packed,
            total=len(records),
            tolerance=tolerance,
        )
    else:
        found = check_images(
            split, root, root, records, findings, listings, decode=decode, tolerance=tolerance
        )
        _note_left_out(split, root, records, findings, listings)
    counts = Counter(data.classes[image.label] for image in files.images)
    sizes = Counter(image.size for image in found if image.size)
    summary = ImageSummary(root, data.classes, len(files.images), len(found), counts, sizes)
    return summary, found


def check_classes(summaries: Mapping[str, ImageSummary], findings: Findings) -> None:
    """Note classes with no or one image, and train's imbalance.

    A class on a few validation images may be missing in train by chance.
    """
    for split, summary in summaries.items():
        for name in summary.classes:
            if summary.class_counts[name] < 2:
                kind = "one_photo" if summary.class_counts[name] else "no_photo"
                findings.add(kind, split, len(summary.classes), name)
    train, val = summaries.get("train"), summaries.get("val")
    if not train:
        return
    counts = {name: train.class_counts[name] for name in train.classes}
    few, many = (choose(counts, key=counts.__getitem__) for choose in (min, max))
    if counts[many] > _IMBALANCE * counts[few] > 0:
        example = f"{counts[many]} images of {many!r}, {counts[few]} of {few!r}"
        findings.add("imbalance", "train", 1, example)
    for name in train.classes if val else ():
        if not counts[name] and val.class_counts[name] >= MANY_IMAGES:
            example = (
                f"{train.root} has no train image of class {name!r}, {val.class_counts[name]} of "
                "val"
            )
            findings.add("untaught", "train", len(train.classes), example)


def note_small(split: str, files: Iterable[ImageFile], input_px: int, findings: Findings) -> None:
    """Note images with a side below half of the network's input."""
    files = list(files)
    for file in files:
        if file.size and 2 * min(file.size) < input_px:
            example = f"{file.path} is {file.size[0]}x{file.size[1]}, the input {input_px}"
            findings.add("small_image", split, len(files), example)


def note_two_labels(
    groups: Iterable[list[ImageFile]], splits: Mapping[str, ImageSplit], findings: Findings
) -> None:
    """Note equal images of different classes."""
    groups = list(groups)
    equal = {str(file.path) for group in groups for file in group}
    labels = {
        image.path: split.data.classes[image.label]
        for split in splits.values() if equal
        for image in split.images
        if image.path in equal
    }  # fmt: skip
    for first, *others in groups:
        for file in others:
            names = [labels[str(path)] for path in (first.path, file.path)]
            if names[0] != names[1]:
                example = f"{file.path} ({names[1]}) is the same picture as {first.path}"
                findings.add("two_labels", file.split, len(splits[file.split].images), example)


def _note_left_out(
    split: str,
    root: Path,
    records: list[dict[str, str]],
    findings: Findings,
    listings: dict[str, Listing],
) -> None:
    """Note files beside the images: hidden, of other types, or not in the list."""
    read = {os.path.join(root, record["file_name"]) for record in records}
    there = [
        os.path.join(folder, name)
        for folder in sorted({os.path.dirname(path) for path in read})
        for name in sorted(listings.get(folder, ()))
    ]
    for path in there:
        if path not in read:
            findings.add("left_out", split, len(there), path)


def _below(root: Path, path: str) -> str:
    prefix = f"{root}{os.sep}"
    return path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, root)
