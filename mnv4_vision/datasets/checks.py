"""Checks of a COCO detection set before training: refuse what would fail or mislead later."""

import math
import os
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets._coco_json import class_names, is_id, read_coco_json

__all__ = ["CocoSummary", "check_coco"]

# COCO's size classes by object area, in pixels.
_SIZE_CLASSES = (("small", 32**2), ("medium", 96**2), ("large", math.inf))
_NUM_NAMED = 3  # files that one message names
_LARGEST_PX = 1e12  # no coordinate or area is larger


@dataclass
class CocoSummary:
    """What a COCO annotation file holds. Counts of boxes leave out crowd regions.

    Attributes:
        ann_file: The file.
        classes: Names in label order.
        num_images: Images listed.
        num_boxes: Boxes that can be trained on: neither crowd nor degenerate.
        num_crowd: Crowd regions.
        class_counts: Boxes of each class, zeros included.
        image_sizes: `(width, height)` to number of images.
        size_classes: Boxes that are small, medium and large, by COCO's areas.
        warnings: What is odd, but does not stop a training.
    """

    ann_file: Path
    classes: tuple[str, ...]
    num_images: int = 0
    num_boxes: int = 0
    num_crowd: int = 0
    class_counts: Counter[str] = field(default_factory=Counter)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    size_classes: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        widths, heights = zip(*self.image_sizes, strict=True)
        sizes = ", ".join(f"{self.size_classes[name]} {name}" for name, _ in _SIZE_CLASSES)
        counts = ", ".join(f"{name} {self.class_counts[name]}" for name in self.classes)
        lines = [
            f"{self.ann_file}",
            f"  images   {self.num_images}, width {min(widths)} to {max(widths)}, "
            f"height {min(heights)} to {max(heights)}",
            f"  boxes    {self.num_boxes} ({sizes}), crowd regions {self.num_crowd}",
            f"  classes  {len(self.classes)}: {counts}",
        ]
        return "\n".join(lines + [f"  warning  {warning}" for warning in self.warnings])


def check_coco(ann_file: Path | str, image_dir: Path | str, *, decode: bool = False) -> CocoSummary:
    """Check an annotation file and that its images are there.

    Args:
        ann_file: COCO detection annotations.
        image_dir: Folder that the file names are relative to.
        decode: Also decode every image: finds truncated ones and wrong sizes; takes minutes on
            COCO.

    Returns:
        What was found, with warnings.

    Raises:
        InputError: With one line that names the file and the record.
    """
    ann_file, image_dir = Path(ann_file), Path(image_dir)
    content = read_coco_json(ann_file)
    summary = CocoSummary(ann_file, class_names(ann_file, content["categories"]))
    images = _check_images(content["images"], summary)
    _check_annotations(content, images, summary)
    _check_files(images.values(), image_dir, summary)
    if decode:
        _check_pixels(images.values(), image_dir, summary)
    return summary


class _BadRecord(Exception):
    """What is wrong with one record; the loops add the file and the place."""


def _refuse(summary: CocoSummary, section: str, position: int, record: dict, error: object) -> None:
    place = f"{section}[{position}]"
    if "id" in record:
        place += f" (id {record['id']!r})"
    raise InputError(f"{summary.ann_file}: {place} {error}") from None


def _check_images(records: list[dict[str, Any]], summary: CocoSummary) -> dict[Any, dict]:
    images: dict[Any, dict] = {}
    for position, image in enumerate(records):
        try:
            _check_image(image, images)
        except _BadRecord as error:
            _refuse(summary, "images", position, image, error)
        images[image["id"]] = image
        summary.image_sizes[image["width"], image["height"]] += 1
    summary.num_images = len(images)
    names = Counter(image["file_name"] for image in records)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        summary.warnings.append(
            f"files listed more than once: {len(repeated)} ({_first(repeated)})"
        )
    return images


def _check_annotations(content: dict[str, Any], images: dict, summary: CocoSummary) -> None:
    names = {category["id"]: category["name"] for category in content["categories"]}
    seen: set = set()
    used: set = set()
    degenerate: list = []
    for position, annotation in enumerate(content["annotations"]):
        try:
            _check_annotation(annotation, seen, images, names)
        except _BadRecord as error:
            _refuse(summary, "annotations", position, annotation, error)
        seen.add(annotation["id"])
        used.add(annotation["image_id"])
        if annotation.get("iscrowd"):
            summary.num_crowd += 1
        elif _is_degenerate(annotation, images[annotation["image_id"]]):
            degenerate.append(annotation["id"])
        else:
            _count(annotation, names, summary)
    _note_oddities(summary, degenerate, len(images) - len(used))


def _note_oddities(summary: CocoSummary, degenerate: list, num_empty: int) -> None:
    if summary.num_boxes == 0:
        raise InputError(
            f"{summary.ann_file}: none of the annotations has a usable box "
            f"({summary.num_crowd} crowd regions, {len(degenerate)} without area in the image)"
        )
    if degenerate:
        summary.warnings.append(
            f"boxes left out as thinner than a pixel or outside their image: {len(degenerate)} "
            f"(annotation {_first([str(i) for i in degenerate])})"
        )
    if num_empty:
        summary.warnings.append(f"images without annotation: {num_empty}")
    absent = [name for name in summary.classes if summary.class_counts[name] == 0]
    if absent:
        summary.warnings.append(f"classes without a box: {len(absent)} ({_first(absent)})")


def _check_image(image: dict[str, Any], seen: dict) -> None:
    _require(image, ("id", "file_name", "width", "height"))
    _check_id(image["id"], seen)
    if not isinstance(image["file_name"], str) or not image["file_name"]:
        raise _BadRecord(f"has the file_name {image['file_name']!r}, no file name")
    size = (image["width"], image["height"])
    if not all(type(side) is int and side > 0 for side in size):
        raise _BadRecord(f"has the size {size}, it must be whole pixels above 0")


def _check_annotation(annotation: dict[str, Any], seen: set, images: dict, names: dict) -> None:
    _require(annotation, ("id", "image_id", "category_id", "bbox", "area"))
    _check_id(annotation["id"], seen)
    for key, known in (("image_id", images), ("category_id", names)):
        if not is_id(annotation[key]) or annotation[key] not in known:
            section = {"image_id": "images", "category_id": "categories"}[key]
            raise _BadRecord(f"has the {key} {annotation[key]!r}, which is not in {section!r}")
    box = annotation["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        raise _BadRecord(f"has the bbox {box!r}, it must be four numbers x, y, width, height")
    if not _is_number(annotation["area"]):
        raise _BadRecord(f"has the area {annotation['area']!r}, it must be a number")


def _require(record: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key not in record:
            raise _BadRecord(f"has no {key!r}; it must have {', '.join(keys)}")


def _check_id(value: Any, seen: Container) -> None:
    if not is_id(value):
        raise _BadRecord(f"has the id {value!r}, it must be a whole number, 0 or above")
    if value in seen:
        raise _BadRecord("has the same id as another one")


def _is_number(value: Any) -> bool:
    # The comparison is false for NaN and Infinity, which Python's JSON reader lets through.
    return type(value) in (int, float) and abs(value) < _LARGEST_PX


def _is_degenerate(annotation: dict[str, Any], image: dict[str, Any]) -> bool:
    """Tell what mmdet's `CocoDataset` drops without a word; COCO itself has a few."""
    x, y, width, height = annotation["bbox"]
    columns = min(x + width, image["width"]) - max(x, 0)
    rows = min(y + height, image["height"]) - max(y, 0)
    return annotation["area"] <= 0 or min(width, height) < 1 or min(columns, rows) <= 0


def _count(annotation: dict[str, Any], names: dict[Any, str], summary: CocoSummary) -> None:
    summary.num_boxes += 1
    summary.class_counts[names[annotation["category_id"]]] += 1
    size = next(name for name, limit in _SIZE_CLASSES if annotation["area"] < limit)
    summary.size_classes[size] += 1


def _check_files(images: Iterable[dict], image_dir: Path, summary: CocoSummary) -> None:
    """List each folder once: a stat per image takes minutes for COCO on a network disk."""
    folders: dict[str, set[str]] = {}
    missing = []
    for image in images:
        folder, _, name = image["file_name"].rpartition("/")
        if folder not in folders:
            folders[folder] = _list_folder(image_dir / folder)
        if name not in folders[folder]:
            missing.append(image["file_name"])
    if len(missing) == summary.num_images and not image_dir.is_dir():
        raise MissingFileError(f"image folder {image_dir} of {summary.ann_file} does not exist")
    if missing:
        raise MissingFileError(
            f"{len(missing)} of {summary.num_images} images of {summary.ann_file} are not in "
            f"{image_dir}: {_first(missing)}"
        )


def _list_folder(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except (OSError, ValueError):  # ValueError: no possible file name
        return set()


def _check_pixels(images: Iterable[dict], image_dir: Path, summary: CocoSummary) -> None:
    from mnv4_vision.datasets.loading import read_image

    errors = []
    for image in images:
        try:
            read_image(str(image_dir / image["file_name"]), (image["width"], image["height"]))
        except InputError as error:
            errors.append(str(error))
    if errors:
        raise InputError(
            f"{len(errors)} of {summary.num_images} images of {summary.ann_file} are unusable: "
            f"{_first(errors, '; ')}"
        )


def _first(names: list[str], separator: str = ", ") -> str:
    more = [f"and {len(names) - _NUM_NAMED} more"] if len(names) > _NUM_NAMED else []
    return separator.join(names[:_NUM_NAMED] + more)
