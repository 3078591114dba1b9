"""Reading and writing COCO detection files, with one clear line for everything that is wrong."""

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.core.files import write_atomic
from mnv4_vision.datasets import read_json

__all__ = ["GroundTruth", "detections_array", "read_ground_truth", "write_json"]


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


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write JSON; a half-written file never has the name."""
    write_atomic(path, json.dumps(content).encode())


def read_ground_truth(gt: str | os.PathLike | Mapping[str, Any]) -> GroundTruth:
    """Load and check COCO annotations.

    A missing `area` becomes the box area and a missing `iscrowd` 0, as box-only converters mean it.
    That is for evaluation alone: `datasets.check_coco` refuses a training set without `area`,
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
        raise InputError(f"{source}: detection {bad.argmax()} has a value that is not finite")
    _check_known(rows[:, 0], [image["id"] for image in gt.images], "image_id", gt, source)
    _check_known(rows[:, 6], [cat["id"] for cat in gt.categories], "category_id", gt, source)
    return rows


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
        if not isinstance(record, Mapping) or type(record.get("id")) is not int or record["id"] < 0:
            raise InputError(f"{source}: {kind} record {record!r:.80} has no integer id >= 0")
        if kind == "category" and not isinstance(record.get("name"), str):
            raise InputError(f"{source}: category {record['id']} has no name")
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


def _area(annotation: Mapping[str, Any], source: str) -> float:
    area = annotation.get("area")
    if area is None:
        area = annotation["bbox"][2] * annotation["bbox"][3]
    if not _is_number(area):
        raise InputError(f"{source}: annotation {annotation.get('id')} has area {area!r:.60}")
    return area


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _rows(detections: Sequence[Mapping[str, Any]], source: str) -> np.ndarray:
    if not isinstance(detections, Sequence):
        raise InputError(f"{source} must be a list of detections, got {type(detections).__name__}")
    try:
        rows = [(d["image_id"], *d["bbox"], d["score"], d["category_id"]) for d in detections]
        return np.array(rows, dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{source} is not a COCO results list: every entry needs image_id, bbox (four "
            f"numbers), score and category_id ({type(error).__name__}: {error})"
        ) from None


def _check_known(
    values: np.ndarray, known: Sequence[int], key: str, gt: GroundTruth, source: str
) -> None:
    ids = values.astype(np.int64)
    foreign = (ids != values) | ~np.isin(ids, known)
    if foreign.any():
        raise InputError(
            f"{source}: {key} {values[foreign][0]:g} is not in {gt.source} "
            f"({foreign.sum()} of {len(values)} detections; it has {_shorten(sorted(known))})"
        )


def _shorten(values: Sequence[Any], limit: int = 10) -> str:
    text = ", ".join(str(value) for value in values[:limit])
    return text if len(values) <= limit else f"{text}, ... ({len(values)} in all)"
