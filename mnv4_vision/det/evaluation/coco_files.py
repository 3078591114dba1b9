"""Reading and writing COCO detection files, with one clear line for everything that is wrong."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.datasets import read_json

__all__ = [
    "GroundTruth",
    "detection_records",
    "detections_array",
    "read_ground_truth",
]


MAX_ID = 2**53  # ids travel beside boxes in float64


@dataclass(frozen=True)
class GroundTruth:
    """Boxes of a COCO annotation file as columns.

    Attributes:
        source: where it came from, for messages.
        images: the file's image records.
        categories: the file's category records.
        image_ids: image of each box, `(N,)`.
        category_ids: category of each box, `(N,)`.
        boxes: `(N, 4)` xywh in pixels.
        area: `(N,)` the area that puts a box into small, medium or large.
        iscrowd: `(N,)` 1 for a crowd region, which is matched but never counted.
    """

    source: str
    images: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    image_ids: np.ndarray
    category_ids: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    iscrowd: np.ndarray

    def find_categories(self, names: Sequence[str], *, subset: bool = True) -> list[int]:
        """Return the category id of each class name, in the order of the names.

        Args:
            names: class names.
            subset: accept names that cover only some of the categories.

        Raises:
            InputError: a name is missing or ambiguous, or categories are left over.
        """
        own = [category["name"] for category in self.categories]
        if list(names) == own:
            return [category["id"] for category in self.categories]
        missing = [name for name in names if name not in own]
        if missing:
            raise InputError(
                f"class {missing[0]!r} is not among the {len(own)} categories of {self.source}"
                f"{did_you_mean(missing[0], own)}; {len(missing)} of {len(names)} class names "
                f"are missing there. It has: {_shorten(own)}"
            )
        twice = [name for name, count in Counter(own).items() if count > 1 and name in names]
        if twice:
            raise InputError(
                f"{self.source} has several categories named {twice[0]!r}: rename them, or use "
                "all its names in its own order"
            )
        if not subset and len(names) != len(own):
            extra = [name for name in own if name not in names]
            raise InputError(
                f"the data set has {len(names)} classes but {self.source} has {len(own)} "
                f"categories; not covered: {_shorten(extra)}. Train on all of them, or set "
                "subset=True in the metric to score only the classes of the data set"
            )
        ids = {category["name"]: category["id"] for category in self.categories}
        return [ids[name] for name in names]

    def select(self, image_ids: Sequence[int], category_ids: Sequence[int]) -> "GroundTruth":
        """Return the boxes of these images and categories; the records stay."""
        keep = np.isin(self.image_ids, image_ids) & np.isin(self.category_ids, category_ids)
        columns = ("image_ids", "category_ids", "boxes", "area", "iscrowd")
        return replace(self, **{name: getattr(self, name)[keep] for name in columns})


def read_ground_truth(gt: str | os.PathLike | Mapping[str, Any]) -> GroundTruth:
    """Load and check COCO annotations.

    A missing `area` becomes the box area and a missing `iscrowd` 0, as box-only converters mean it.
    That is for evaluation alone: `datasets.verify_data` refuses a training set without `area`,
    which mmdet reads.

    Raises:
        InputError: not a COCO detection file; the message names the record.
    """
    source = "the annotations" if isinstance(gt, Mapping) else str(gt)
    content = gt if isinstance(gt, Mapping) else read_json(gt)
    sections = _sections(content, source)
    image_ids = _ids(sections["images"], "image", source)
    category_ids = _ids(sections["categories"], "category", source)
    annotations = sections["annotations"]
    for annotation in annotations:
        _check_annotation(annotation, image_ids, category_ids, source)
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    area = [_area(annotation, source) for annotation in annotations]
    return GroundTruth(
        source=source,
        images=sections["images"],
        categories=sections["categories"],
        image_ids=np.array([a["image_id"] for a in annotations], dtype=np.int64),
        category_ids=np.array([a["category_id"] for a in annotations], dtype=np.int64),
        boxes=boxes,
        area=np.array(area, dtype=np.float64),
        iscrowd=np.array([bool(a.get("iscrowd")) for a in annotations], dtype=np.int64),
    )


def detections_array(
    detections: np.ndarray | Sequence[Mapping[str, Any]], gt: GroundTruth, source: str
) -> np.ndarray:
    """Return detections as `(N, 7)` float64 rows `image_id, x, y, w, h, score, category_id`.

    Raises:
        InputError: wrong form, a value that is not finite, or an image or category that the
            ground truth does not have.
    """
    rows = detections if isinstance(detections, np.ndarray) else _rows(detections, source)
    if rows.size == 0:
        return np.zeros((0, 7))
    if rows.ndim != 2 or rows.shape[1] != 7:
        raise InputError(
            f"{source} must have rows of 7 (image_id, x, y, w, h, score, category_id), "
            f"got an array of shape {rows.shape}"
        )
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise InputError(
            f"{source}: detection {bad.argmax()} (image_id {rows[bad][0, 0]:.16g}) has a value "
            "that is not finite"
        )
    _check_known(rows[:, 0], [image["id"] for image in gt.images], "image_id", gt, source)
    _check_known(rows[:, 6], [cat["id"] for cat in gt.categories], "category_id", gt, source)
    return rows


def detection_records(detections: np.ndarray) -> list[dict[str, Any]]:
    """Return `(N, 7)` rows `image_id, x, y, w, h, score, category_id` as COCO results."""
    return [
        {"image_id": int(image), "category_id": int(category), "bbox": box, "score": score}
        for image, *box, score, category in detections.tolist()
    ]


def _sections(content: Any, source: str) -> dict[str, list[dict[str, Any]]]:
    if not isinstance(content, Mapping):
        raise InputError(f"{source} is not a COCO annotation file: its top level is not an object")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise InputError(f"{source} is not a COCO annotation file: no list {key!r}")
        if key != "annotations" and not content[key]:
            raise InputError(f"{source} has no {key}: there is nothing to evaluate")
    return {key: content[key] for key in ("images", "annotations", "categories")}


def _ids(records: Sequence[Mapping[str, Any]], kind: str, source: str) -> set[int]:
    for record in records:
        number = record.get("id") if isinstance(record, Mapping) else None
        if type(number) is not int or not 0 <= number <= MAX_ID:
            raise InputError(
                f"{source}: {kind} record {record!r:.80} has no integer id from 0 to {MAX_ID}"
            )
        if kind == "category" and not _is_text(record.get("name")):
            raise InputError(f"{source}: category {number} has no name that is text")
    ids = Counter(record["id"] for record in records)
    twice = [number for number, count in ids.items() if count > 1]
    if twice:
        raise InputError(f"{source}: {kind} id {twice[0]} occurs {ids[twice[0]]} times")
    return set(ids)


def _check_annotation(annotation: Any, images: set[int], categories: set[int], source: str) -> None:
    try:
        box, image, category = (annotation[key] for key in ("bbox", "image_id", "category_id"))
    except (KeyError, TypeError):
        raise InputError(
            f"{source}: annotation {annotation!r:.80} needs 'bbox', 'image_id' and 'category_id'"
        ) from None
    label = f"{source}: annotation {annotation.get('id')}"
    if type(image) is not int or image not in images:
        raise InputError(f"{label} belongs to image {image!r}, which is not in 'images'")
    if type(category) is not int or category not in categories:
        raise InputError(f"{label} has category {category!r}, which is not in 'categories'")
    if not isinstance(box, Sequence) or len(box) != 4 or not all(map(_is_number, box)):
        raise InputError(f"{label} has bbox {box!r:.60}, expected four numbers x, y, width, height")
    if annotation.get("iscrowd") not in (None, 0, 1):  # the text "0" would pass for true
        raise InputError(f"{label} has iscrowd {annotation['iscrowd']!r:.60}, expected 0 or 1")


def _area(annotation: Mapping[str, Any], source: str) -> float:
    area = annotation.get("area")
    if area is None:
        area = annotation["bbox"][2] * annotation["bbox"][3]
    if not _is_number(area):
        raise InputError(f"{source}: annotation {annotation.get('id')} has area {area!r:.60}")
    return area


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False


def _is_text(value: Any) -> bool:
    # JSON can hold half a surrogate pair, which nothing can print or write.
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value


def _rows(detections: Sequence[Mapping[str, Any]], source: str) -> np.ndarray:
    if not isinstance(detections, list | tuple):
        raise InputError(
            f"{source} must be a list of detections, got {type(detections).__name__}: COCO results "
            'are [{"image_id", "category_id", "bbox", "score"}, ...]'
        )
    try:
        rows = np.array(
            [(d["image_id"], *d["bbox"], d["score"], d["category_id"]) for d in detections]
        )
        if rows.dtype.kind in "iuf" and (rows.ndim == 1 or rows.shape[1] == 7):
            return rows
    except (KeyError, TypeError, ValueError):
        pass
    for position, record in enumerate(detections):
        problem = _problem(record)
        if problem:
            raise InputError(f"{source}: detection {position} {problem}")
    raise InputError(f"{source} holds numbers that are too large")


def _problem(record: Any) -> str | None:
    """Say what keeps a record from being a COCO detection; None where nothing does."""
    if not isinstance(record, Mapping):
        return f"is {record!r:.60}, no object with image_id, category_id, bbox and score"
    if "detections" in record and "file" in record:
        return (
            "is a record of tools/infer.py, which knows no image ids: take the detections.json "
            "that tools/test.py --report writes"
        )
    for key in ("image_id", "category_id", "score"):
        if key not in record:
            return f"has no {key!r}"
        if not _is_plain_number(record[key]):
            return f"has {key} {record[key]!r:.60}, expected a number"
    box = record.get("bbox")
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_plain_number, box)):
        return f"has bbox {box!r:.60}, expected four numbers x, y, width, height"
    return None


def _is_plain_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_known(
    values: np.ndarray, known: Sequence[int], key: str, gt: GroundTruth, source: str
) -> None:
    ids = values.astype(np.int64)
    foreign = (ids != values) | ~np.isin(ids, known)
    if not foreign.any():
        return
    shifted = key == "category_id" and ids.min() == 0 and set(ids + 1) <= set(known)
    hint = ". They seem to count from 0: add 1" if shifted else ""
    raise InputError(
        f"{source}: detection {foreign.argmax()} has {key} {values[foreign][0]:.16g}, which is "
        f"not in {gt.source} ({foreign.sum()} of {len(values)} detections; it has "
        f"{_shorten(sorted(known))}){hint}"
    )


def _shorten(values: Sequence[Any], limit: int = 10) -> str:
    text = ", ".join(str(value) for value in values[:limit])
    return text if len(values) <= limit else f"{text}, ... ({len(values)} in all)"
