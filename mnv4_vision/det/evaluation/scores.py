"""COCO box scores: the protocol's twelve numbers and AP per class, from files or arrays.

hotcoco (Rust) is the default backend, pycocotools the reference; they agree to the last bit.
"""

import contextlib
import io
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.datasets import read_json
from mnv4_vision.det.evaluation.coco_files import GroundTruth, detections_array, read_ground_truth

__all__ = [
    "BACKENDS",
    "CLASS_STATISTICS",
    "STATISTICS",
    "CocoScores",
    "evaluate_coco",
    "format_table",
    "hotcoco_evaluator",
    "select_categories",
]

STATISTICS: dict[str, str] = {
    "AP": "IoU 0.50:0.95, all areas, 100 detections",
    "AP50": "IoU 0.50",
    "AP75": "IoU 0.75",
    "APs": "small, area below 32^2 px",
    "APm": "medium, 32^2 to 96^2 px",
    "APl": "large, above 96^2 px",
    "AR1": "1 detection per image",
    "AR10": "10 detections per image",
    "AR100": "100 detections per image",
    "ARs": "small",
    "ARm": "medium",
    "ARl": "large",
}
CLASS_STATISTICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")


@dataclass(frozen=True)
class CocoScores:
    """Result of a COCO evaluation; -1 means that there was no ground truth to score.

    Attributes:
        stats: the twelve numbers in the order of `STATISTICS`, not rounded.
        per_class: class name to `CLASS_STATISTICS` and `count`, the number of annotated boxes that
            are not crowds.
        num_images: evaluated images.
        precision: `(10 IoUs, 101 recalls, classes)` in the order of `per_class`, -1 where
            undefined.
    """

    stats: dict[str, float]
    per_class: dict[str, dict[str, float]]
    num_images: int
    precision: np.ndarray = field(compare=False, repr=False)


def evaluate_coco(
    gt: str | os.PathLike | Mapping[str, Any] | GroundTruth,
    detections: str | os.PathLike | np.ndarray | Sequence[Mapping[str, Any]],
    *,
    backend: str = "hotcoco",
    class_names: Sequence[str] | None = None,
    image_ids: Sequence[int] | None = None,
) -> CocoScores:
    """Score box detections by the COCO protocol.

    Args:
        gt: annotation file, its content, or what `read_ground_truth` returned.
        detections: results file, its content, or `(N, 7)` rows
            `image_id, x, y, w, h, score, category_id`.
        backend: "hotcoco" or "pycocotools".
        class_names: score only these classes; all by default.
        image_ids: score only these images; all by default, also those without detections.

    Raises:
        InputError: unreadable or inconsistent files, unknown backend or class name.
    """
    if backend not in BACKENDS:
        raise InputError(
            f"unknown COCO backend {backend!r}{did_you_mean(backend, BACKENDS)}; "
            f"choose from {', '.join(BACKENDS)}"
        )
    gt = gt if isinstance(gt, GroundTruth) else read_ground_truth(gt)
    categories = select_categories(gt, class_names)
    images = sorted(image["id"] for image in gt.images) if image_ids is None else sorted(image_ids)
    ids = sorted(categories.values())
    stats, precision, recall = BACKENDS[backend](gt, detections, ids, images)
    columns = [ids.index(number) for number in categories.values()]  # to the order of the names
    precision, recall = precision[:, :, columns], recall[:, columns]
    return CocoScores(
        stats=dict(zip(STATISTICS, stats, strict=True)),
        per_class=_per_class(precision, recall, categories, gt, images),
        num_images=len(images),
        precision=precision[..., 0, 2],
    )


def format_table(scores: CocoScores) -> str:
    """Return the twelve numbers and the per-class scores as plain text; `-` where undefined."""
    lines = [f"{name:<6}{_number(scores.stats[name])}  {STATISTICS[name]}" for name in STATISTICS]
    width = max(len("class"), *(len(name) for name in scores.per_class)) + 2
    header = "".join(f"{name:>8}" for name in (*CLASS_STATISTICS, "boxes"))
    lines += ["", f"{'class':<{width}}{header}"]
    for name, row in scores.per_class.items():
        numbers = "".join(f"  {_number(row[key])}" for key in CLASS_STATISTICS)
        lines.append(f"{name:<{width}}{numbers}{row['count']:>8}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{'-':>6}" if value < 0 else f"{value:6.4f}"


def select_categories(gt: GroundTruth, names: Sequence[str] | None = None) -> dict[str, int]:
    """Return display name to category id, all classes by default, in their order.

    A name that two categories share gets its id added.
    """
    if names is None:
        names = [category["name"] for category in gt.categories]
    ids = gt.find_categories(names)
    counts = Counter(names)
    return {
        name if counts[name] == 1 else f"{name} (id {number})": number
        for name, number in zip(names, ids, strict=True)
    }


def _per_class(
    precision: np.ndarray,
    recall: np.ndarray,
    categories: dict[str, int],
    gt: GroundTruth,
    images: Sequence[int],
) -> dict[str, dict[str, float]]:
    """Reduce `(10 IoUs, 101 recalls, classes, 4 areas, 3 limits)` precision and the same recall."""
    counted = np.isin(gt.image_ids, images) & (gt.iscrowd == 0)
    table = {}
    for column, (name, number) in enumerate(categories.items()):
        own = precision[:, :, column, :, 2]
        views = [own[..., 0], own[0, :, 0], own[5, :, 0], *(own[..., area] for area in (1, 2, 3))]
        views.append(recall[:, column, 0, 2])
        table[name] = dict(zip(CLASS_STATISTICS, map(_mean_of_valid, views), strict=True))
        table[name]["count"] = int((counted & (gt.category_ids == number)).sum())
    return table


def _mean_of_valid(values: np.ndarray) -> float:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else -1.0


Detections = str | os.PathLike | np.ndarray | Sequence[Mapping[str, Any]]


def _array_from(detections: Detections, gt: GroundTruth) -> np.ndarray:
    if isinstance(detections, str | os.PathLike):
        return detections_array(
            read_json(detections, "detections file"), gt, f"detections file {detections}"
        )
    return detections_array(detections, gt, "the detections")


def _with_hotcoco(
    gt: GroundTruth, detections: Detections, categories: list[int], images: list[int]
) -> tuple[list[float], np.ndarray, np.ndarray]:
    evaluator = hotcoco_evaluator(gt, detections, categories, images)
    evaluator.evaluate()
    evaluator.accumulate()
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    return _summarise(precision, recall), precision, recall


def hotcoco_evaluator(
    gt: GroundTruth, detections: Detections, categories: list[int], images: list[int]
) -> Any:
    """Return a `hotcoco.COCOeval` of these classes and images; nothing is evaluated yet."""
    import hotcoco

    truth = hotcoco.COCO.from_arrays(
        [{"id": image["id"]} for image in gt.images],
        [{"id": category["id"], "name": category["name"]} for category in gt.categories],
        gt.image_ids,
        gt.category_ids,
        gt.boxes,
        ids=np.arange(1, len(gt.boxes) + 1),
        area=gt.area,
        iscrowd=gt.iscrowd,
    )
    results = truth.load_res(_array_from(detections, gt))
    evaluator = hotcoco.COCOeval(truth, results, "bbox")
    evaluator.params.cat_ids = categories
    evaluator.params.img_ids = images
    return evaluator


def _summarise(precision: np.ndarray, recall: np.ndarray) -> list[float]:
    """Average to the twelve numbers with pycocotools' own expressions.

    hotcoco's arrays are pycocotools' bit for bit; its averages may differ in the last bit.

    Args:
        precision: `(10 IoUs, 101 recalls, classes, 4 areas, 3 limits)`, -1 where undefined.
        recall: `(10 IoUs, classes, 4 areas, 3 limits)`, -1 where undefined.
    """
    everything, at_50, at_75 = slice(None), slice(0, 1), slice(5, 6)
    views = [precision[iou, ..., 0, 2] for iou in (everything, at_50, at_75)]
    views += [precision[..., area, 2] for area in (1, 2, 3)]
    views += [recall[..., 0, limit] for limit in (0, 1, 2)]
    views += [recall[..., area, 2] for area in (1, 2, 3)]
    return [_mean_of_valid(view) for view in views]


def _with_pycocotools(
    gt: GroundTruth, detections: Detections, categories: list[int], images: list[int]
) -> tuple[list[float], np.ndarray, np.ndarray]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = _array_from(detections, gt)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": gt.images,
            "categories": gt.categories,
            "annotations": _annotations(gt),
        }
        truth.createIndex()
        if len(rows):
            results = truth.loadRes(rows)
        else:  # loadRes cannot take an empty list
            results = COCO()
            results.dataset = {**truth.dataset, "annotations": []}
            results.createIndex()
        evaluator = COCOeval(truth, results, "bbox")
        evaluator.params.catIds = categories
        evaluator.params.imgIds = images
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    stats = [float(value) for value in evaluator.stats]
    return stats, evaluator.eval["precision"], evaluator.eval["recall"]


def _annotations(gt: GroundTruth) -> list[dict[str, Any]]:
    # Numbered from 1: pycocotools takes a match with annotation id 0 for no match.
    columns = zip(
        gt.image_ids.tolist(),
        gt.category_ids.tolist(),
        gt.boxes.tolist(),
        gt.area.tolist(),
        gt.iscrowd.tolist(),
        strict=True,
    )
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    return [dict(zip(keys, (i, *row), strict=True)) for i, row in enumerate(columns, start=1)]


BACKENDS: dict[str, Callable[..., tuple[list[float], np.ndarray, np.ndarray]]] = {
    "hotcoco": _with_hotcoco,
    "pycocotools": _with_pycocotools,
}
