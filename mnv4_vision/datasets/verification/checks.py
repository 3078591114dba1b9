"""Checks of a COCO annotation file: refuse what is no such file, note what would fail later."""

import posixpath
from collections import defaultdict
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets._coco_json import class_names, is_id, read_coco_json
from mnv4_vision.datasets.verification.findings import Findings
from mnv4_vision.datasets.verification.summary import SplitSummary

__all__ = [
    "annotation_fault",
    "box_fault",
    "check_annotations",
    "image_fault",
    "place_of",
    "summarise",
]

_LARGEST_PX = 1e12  # no coordinate or area is larger
_BORDER_PX = 1.0  # a box may reach so far over the border without a word
_CORNERS_SHARE = 1 / 4  # of boxes over the border, where width and height may be a corner


def check_annotations(
    split: str, ann_file: Path, findings: Findings, content: dict[str, Any] | None = None
) -> tuple[SplitSummary, list[dict[str, Any]]]:
    """Check an annotation file by itself, without its images.

    Args:
        split: Name in the findings: "train" or "val".
        ann_file: COCO detection annotations.
        findings: Takes what is wrong with single records.
        content: The content of the file where it was read already.

    Returns:
        What the file holds, and its image records without those that repeat an id.

    Raises:
        InputError: The file is no COCO detection file; the message names file and record.
    """
    content = read_coco_json(ann_file) if content is None else content
    categories = content["categories"]
    ids = tuple(category["id"] for category in categories if "id" in category)
    summary = SplitSummary(ann_file, class_names(ann_file, categories), ids)
    images = _check_images(split, content["images"], summary, findings)
    _check_annotations(split, content, images, summary, findings)
    return summary, list(images.values())


def summarise(ann_file: Path, content: dict[str, Any]) -> SplitSummary:
    """Count what is in a COCO file's content, whatever else is wrong with it.

    Raises:
        InputError: It is no COCO detection file; the message names file and record.
    """
    return check_annotations("", ann_file, Findings(), content)[0]


def place_of(ann_file: Path, section: str, position: int, record: dict[str, Any]) -> str:
    """Name a record: the user's own file where it was converted, else file, place and id."""
    source = record.get("source")
    if isinstance(source, str) and source:
        return source
    own_id = f" (id {record['id']!r})" if "id" in record else ""
    return f"{ann_file}: {section}[{position}]{own_id}"


def box_fault(annotation: dict[str, Any], image: dict[str, Any]) -> str | None:
    """Return the kind of finding that mmdet's `CocoDataset` would drop the box for, in silence."""
    x, y, width, height = annotation["bbox"]
    if width <= 0 or height <= 0 or annotation["area"] <= 0:
        return "no_area"
    columns = min(x + width, image["width"]) - max(x, 0)
    rows = min(y + height, image["height"]) - max(y, 0)
    if columns <= 0 or rows <= 0:
        return "outside"
    return "thin" if min(width, height) < 1 else None


def image_fault(image: dict[str, Any]) -> str | None:
    """Say why an image record cannot be read at all, or None."""
    if lack := _missing(image, ("id", "file_name", "width", "height")):
        return lack
    if not is_id(image["id"]):
        return _id_fault(image["id"])
    if not isinstance(image["file_name"], str) or not image["file_name"]:
        return f"has the file_name {image['file_name']!r}, no file name"
    size = (image["width"], image["height"])
    if not all(type(side) is int and side > 0 for side in size):
        return f"has the size {size}, it must be whole pixels above 0"
    return None


def annotation_fault(annotation: dict[str, Any]) -> str | None:
    """Say why an annotation record cannot be read at all, or None; references are not followed."""
    if lack := _missing(annotation, ("id", "image_id", "category_id", "bbox", "area")):
        return lack
    if not is_id(annotation["id"]):
        return _id_fault(annotation["id"])
    for key in ("image_id", "category_id"):
        if not is_id(annotation[key]):
            return f"has the {key} {annotation[key]!r}, it must be a whole number, 0 or above"
    box = annotation["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        return f"has the bbox {box!r}, it must be four numbers x, y, width, height"
    if not _is_number(annotation["area"]):
        return f"has the area {annotation['area']!r}, it must be a number"
    return None


def _check_images(
    split: str, records: list[dict[str, Any]], summary: SplitSummary, findings: Findings
) -> dict[int, dict[str, Any]]:
    images: dict[int, dict[str, Any]] = {}
    names: set[str] = set()
    for position, image in enumerate(records):
        place = place_of(summary.ann_file, "images", position, image)
        if fault := image_fault(image):
            raise InputError(f"{place} {fault}")
        name = posixpath.normpath(image["file_name"])
        if name in names:
            example = f"{place} lists {image['file_name']}, which another record lists too"
            findings.add("listed_twice", split, len(records), example)
        names.add(name)
        if image["id"] in images:
            findings.add("duplicate_id", split, len(records), f"{place} has the id of another one")
            continue
        images[image["id"]] = image
        summary.image_sizes[image["width"], image["height"]] += 1
    summary.num_images = len(images)
    return images


def _check_annotations(
    split: str,
    content: dict[str, Any],
    images: dict[int, dict[str, Any]],
    summary: SplitSummary,
    findings: Findings,
) -> None:
    records = content["annotations"]
    names = {category["id"]: category["name"] for category in content["categories"]}
    ids: set[int] = set()
    used: set[int] = set()
    pictured: dict[str, set[int]] = defaultdict(set)
    corners = _CornersTest()
    for position, annotation in enumerate(records):
        if fault := annotation_fault(annotation):
            place = place_of(summary.ann_file, "annotations", position, annotation)
            raise InputError(f"{place} {fault}")
        used.add(annotation["image_id"])
        for kind, what in _faults(annotation, ids, images, names):
            place = place_of(summary.ann_file, "annotations", position, annotation)
            findings.add(kind, split, len(records), f"{place} {what}")
            if kind != "over_border":
                break
        else:
            _count(annotation, names, summary, pictured)
        ids.add(annotation["id"])
        image = images.get(annotation["image_id"])
        if image and "source" not in annotation:  # a converted box is in COCO's convention
            corners.add(annotation["bbox"], image)
    summary.class_images.update({name: len(found) for name, found in pictured.items()})
    _note_empty(split, images, used, summary, findings)
    _note_classes(split, summary, findings)
    corners.note(split, summary.ann_file, findings)


def _faults(
    annotation: dict[str, Any],
    ids: set[int],
    images: dict[int, dict[str, Any]],
    names: dict[int, str],
) -> list[tuple[str, str]]:
    """Return kind and words of what is wrong with one well-formed annotation."""
    image = images.get(annotation["image_id"])
    if annotation["id"] in ids:
        return [("duplicate_id", "has the id of another one")]
    if image is None:
        what = f"has the image_id {annotation['image_id']!r}, which is not in 'images'"
        return [("unknown_image", what)]
    if annotation["category_id"] not in names:
        what = f"has the category_id {annotation['category_id']!r}, which is not in 'categories'"
        return [("unknown_category", what)]
    if annotation.get("iscrowd") or annotation.get("ignore"):
        return []
    kind = box_fault(annotation, image)
    if kind is None and _overhang(annotation["bbox"], image) > _BORDER_PX:
        kind = "over_border"
    if kind is None:
        return []
    where = f"{image['file_name']} of {image['width']}x{image['height']}"
    area = f" and the area {annotation['area']}" if annotation["area"] <= 0 else ""
    return [(kind, f"has the bbox {annotation['bbox']}{area} on {where}")]


def _overhang(box: list[float], image: dict[str, Any]) -> float:
    """Return how many pixels a box reaches over the border of its image at most."""
    x, y, width, height = box
    return max(-x, -y, x + width - image["width"], y + height - image["height"])


def _count(
    annotation: dict[str, Any],
    names: dict[int, str],
    summary: SplitSummary,
    pictured: dict[str, set[int]],
) -> None:
    if annotation.get("ignore"):
        summary.num_ignored += 1
    elif annotation.get("iscrowd"):
        summary.num_crowd += 1
    else:
        name = names[annotation["category_id"]]
        summary.count_box(name, annotation["area"])
        pictured[name].add(annotation["image_id"])


def _note_empty(
    split: str,
    images: dict[int, dict[str, Any]],
    used: set[int],
    summary: SplitSummary,
    findings: Findings,
) -> None:
    for image_id, image in images.items():
        if image_id not in used:
            summary.num_empty += 1
            findings.add("empty_image", split, len(images), image["file_name"])


def _note_classes(split: str, summary: SplitSummary, findings: Findings) -> None:
    if summary.num_boxes == 0:
        example = (
            f"{summary.ann_file}: none of the annotations has a usable box "
            f"({summary.num_crowd} crowd regions, {summary.num_ignored} ignored)"
        )
        findings.add("no_boxes", split, 1, example)
        return
    for name in summary.classes:
        if summary.class_counts[name] == 0:
            findings.add("no_examples", split, len(summary.classes), name)


class _CornersTest:
    """Notices boxes in another convention than x, y, width, height in pixels.

    In true `x1, y1, x2, y2` boxes the third number exceeds the first and the fourth the second in
    every box, and about three quarters of the boxes then seem to leave the image.
    """

    def __init__(self) -> None:
        self.num_boxes = self.num_over = 0
        self.all_corners = self.all_fractions = True

    def add(self, box: list[float], image: dict[str, Any]) -> None:
        x, y, width, height = box
        self.num_boxes += 1
        self.num_over += _overhang(box, image) > _BORDER_PX
        self.all_corners &= width >= x and height >= y
        self.all_fractions &= max(box) <= 1

    def note(self, split: str, ann_file: Path, findings: Findings) -> None:
        if self.num_boxes and self.all_fractions:
            example = f"{ann_file}: no coordinate of its {self.num_boxes} boxes is above 1"
            findings.add("fractions", split, 1, example)
        elif self.all_corners and self.num_over > _CORNERS_SHARE * self.num_boxes:
            example = f"{ann_file}: {self.num_over} of {self.num_boxes} boxes leave their image"
            findings.add("corners", split, 1, example)


def _missing(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if key not in record:
            return f"has no {key!r}; it must have {', '.join(keys)}"
    return None


def _id_fault(value: Any) -> str:
    return f"has the id {value!r}, it must be a whole number, 0 or above"


def _is_number(value: Any) -> bool:
    # The comparison is false for NaN and Infinity, which Python's JSON reader lets through.
    return type(value) in (int, float) and abs(value) < _LARGEST_PX
