"""The scores that follow from an evaluation's sums, and the table that shows them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mnv4_vision.cls.evaluation.calibration import NUM_BINS, Calibration
from mnv4_vision.cls.evaluation.tally import TOP, Tally
from mnv4_vision.core.confusion import ratio

__all__ = ["STATISTICS", "ClassificationScores", "format_table"]

STATISTICS = {
    "top1": "share of the images whose class is the most probable one",
    f"top{TOP}": f"share of the images whose class is among the {TOP} most probable ones",
    "mean_class_accuracy": "share of a class's images that are found, mean over the classes",
    "calibration_error": f"|confidence - accuracy| in {NUM_BINS} bins (Guo et al. 2017); 0 is best",
}
MAX_ROWS, NUM_LOWEST = 100, 20  # of the printed table


@dataclass(frozen=True)
class ClassificationScores:
    """Scores in 0..1 of a set of images.

    Classes without annotated images have no accuracy and count in no mean.

    Attributes:
        classes: names of the K classes, all different.
        confusion: `(K, K)` images, rows the annotated class, columns the predicted one.
        num_in_top: images whose class is among the five most probable ones.
        calibration: how sure the model is, and how often right.
    """

    classes: Sequence[str]
    confusion: np.ndarray
    num_in_top: int
    calibration: Calibration

    @classmethod
    def of(cls, classes: Sequence[str], tally: Tally) -> "ClassificationScores":
        """Return the scores of a tally; of equal class names, as ImageNet has, each is numbered."""
        times = Counter(classes)
        names = [name if times[name] == 1 else f"{name} ({i})" for i, name in enumerate(classes)]
        return cls(tuple(names), tally.confusion, tally.num_in_top, tally.calibration)

    @property
    def num_images(self) -> int:
        """Images behind the numbers."""
        return int(self.confusion.sum())

    @cached_property
    def accuracy(self) -> np.ndarray:
        """Share of a class's images that are found, also called recall, `(K,)`."""
        return ratio(np.diagonal(self.confusion), self.confusion.sum(axis=1))

    @cached_property
    def precision(self) -> np.ndarray:
        """Share of the images predicted as a class that are of it, `(K,)`."""
        return ratio(np.diagonal(self.confusion), self.confusion.sum(axis=0))

    @cached_property
    def f1(self) -> np.ndarray:
        """Harmonic mean of accuracy and precision, `(K,)`; 0 for a class that is only predicted."""
        totals = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return ratio(2 * np.diagonal(self.confusion), totals)

    @property
    def stats(self) -> dict[str, float]:
        """The means; `top1` is first. Of up to five classes there is no `top5`: it is always 1."""
        total = self.num_images or float("nan")
        defined = self.accuracy[~np.isnan(self.accuracy)]
        stats = {
            "top1": float(np.trace(self.confusion) / total),
            f"top{TOP}": self.num_in_top / total,
            "mean_class_accuracy": float(defined.mean()) if defined.size else float("nan"),
            "calibration_error": self.calibration.error,
        }
        if len(self.classes) <= TOP:
            del stats[f"top{TOP}"]
        return stats

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """Numbers of each class by name."""
        columns = {
            "accuracy": self.accuracy,
            "precision": self.precision,
            "F1": self.f1,
            "images": self.confusion.sum(axis=1),
        }
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        named = zip(self.classes, rows, strict=True)
        return {name: dict(zip(columns, row, strict=True)) for name, row in named}

    def lowest(self, count: int) -> list[str]:
        """Return the classes of the lowest F1, the lowest first; those without one come last."""
        return [self.classes[i] for i in np.argsort(self.f1, kind="stable")[:count]]


def format_table(scores: ClassificationScores) -> str:
    """Return the means and the per-class scores as plain text; `-` where undefined.

    Of more than 100 classes, only the 20 of the lowest F1.
    """
    width = max(map(len, STATISTICS)) + 2
    lines = [f"{n:<{width}}{_number(value)}  {STATISTICS[n]}" for n, value in scores.stats.items()]
    rows, names, title = scores.per_class, list(scores.classes), "class"
    if len(names) > MAX_ROWS:
        names = scores.lowest(NUM_LOWEST)
        title = f"lowest of {len(rows)} classes"
    width = max(len(title), *(len(name) for name in names)) + 2
    columns = [name for name in next(iter(rows.values())) if name != "images"]
    header = "".join(f"{name:>11}" for name in columns)
    lines += ["", f"{title:<{width}}{header}{'images':>10}"]
    for name in names:
        numbers = "".join(f"     {_number(rows[name][column])}" for column in columns)
        lines.append(f"{name:<{width}}{numbers}{rows[name]['images']:>10,}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{'-':>6}" if np.isnan(value) else f"{value:6.4f}"
