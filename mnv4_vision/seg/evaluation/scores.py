"""The scores that follow from a confusion matrix, and the table that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mnv4_vision.core.confusion import ratio
from mnv4_vision.seg.evaluation.confusion import class_iou

__all__ = ["STATISTICS", "SegmentationScores", "format_table"]

STATISTICS = {
    "mIoU": "intersection over union, mean over the classes",
    "mAcc": "share of a class's annotated pixels that are found, mean over the classes",
    "aAcc": "share of all annotated pixels that are right",
    "boundaryF": "boundary F-score, mean over the images, then over the classes",
}


@dataclass(frozen=True)
class SegmentationScores:
    """Scores in 0..1 of a set of images, from the sum of their confusion matrices.

    Classes that occur neither in the masks nor in the predictions have no IoU and count in no
    mean, as in mmseg; a class that is only predicted counts as IoU 0.

    Attributes:
        classes: names of the K classes.
        confusion: `(K, K)` pixels, rows the annotated class, columns the predicted one.
        boundary_f: `(K,)` boundary F-score, NaN where undefined; None when not measured.
        num_images: images behind the numbers.
    """

    classes: Sequence[str]
    confusion: np.ndarray
    boundary_f: np.ndarray | None
    num_images: int

    @cached_property
    def iou(self) -> np.ndarray:
        """Intersection over union, `(K,)`."""
        return class_iou(self.confusion)

    @cached_property
    def accuracy(self) -> np.ndarray:
        """Share of the annotated pixels that are found (recall), `(K,)`."""
        return ratio(np.diagonal(self.confusion), self.confusion.sum(axis=1))

    @cached_property
    def precision(self) -> np.ndarray:
        """Share of the predicted pixels that are right, `(K,)`."""
        return ratio(np.diagonal(self.confusion), self.confusion.sum(axis=0))

    @cached_property
    def f1(self) -> np.ndarray:
        """Harmonic mean of accuracy and precision (Dice), `(K,)`."""
        totals = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return ratio(2 * np.diagonal(self.confusion), totals)

    @property
    def stats(self) -> dict[str, float]:
        """The means; `mIoU` is first, `boundaryF` there when measured."""
        total = self.confusion.sum()
        stats = {
            "mIoU": _mean(self.iou),
            "mAcc": _mean(self.accuracy),
            "aAcc": float(np.trace(self.confusion) / total) if total else float("nan"),
        }
        if self.boundary_f is not None:
            stats["boundaryF"] = _mean(self.boundary_f)
        return stats

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """Numbers of each class by name."""
        columns = {
            "IoU": self.iou,
            "Acc": self.accuracy,
            "precision": self.precision,
            "F1": self.f1,
        }
        if self.boundary_f is not None:
            columns["boundaryF"] = self.boundary_f
        columns["pixels"] = self.confusion.sum(axis=1)
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        named = zip(self.classes, rows, strict=True)
        return {name: dict(zip(columns, row, strict=True)) for name, row in named}


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined, NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def format_table(scores: SegmentationScores) -> str:
    """Return the means and the per-class scores as plain text; `-` where undefined."""
    lines = [f"{n:<11}{_number(value)}  {STATISTICS[n]}" for n, value in scores.stats.items()]
    width = max(len("class"), *(len(name) for name in scores.classes)) + 2
    rows = scores.per_class
    columns = [name for name in next(iter(rows.values())) if name != "pixels"]
    header = "".join(f"{name:>11}" for name in columns)
    lines += ["", f"{'class':<{width}}{header}{'pixels':>14}"]
    for name, row in rows.items():
        numbers = "".join(f"     {_number(row[column])}" for column in columns)
        lines.append(f"{name:<{width}}{numbers}{row['pixels']:>14,}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{'-':>6}" if np.isnan(value) else f"{value:6.4f}"
