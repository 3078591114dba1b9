"""The evaluation as files: `metrics.json`, and one HTML page that shows what to do next."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mnv4_vision.cls.evaluation.calibration import EDGES
from mnv4_vision.cls.evaluation.charts import (
    CHARTED_CLASSES,
    draw_largest_confusions,
    draw_reliability,
)
from mnv4_vision.cls.evaluation.scores import MAX_ROWS, STATISTICS, ClassificationScores
from mnv4_vision.cls.evaluation.tally import Outcome
from mnv4_vision.cls.evaluation.worst import draw_worst
from mnv4_vision.core.charts import chart_names
from mnv4_vision.core.confusion import largest_confusions
from mnv4_vision.core.files import write_json
from mnv4_vision.core.html import Page
from mnv4_vision.core.report import (
    add_pictures,
    add_provenance,
    add_scores,
    add_training,
    defined,
)

__all__ = ["Evaluation", "write_metrics", "write_report"]

NUM_CONFUSIONS = 30
PACKAGES = ("torch", "onedl-mmengine", "numpy")


@dataclass(frozen=True)
class Evaluation:
    """Scores with all that a report about them needs.

    Attributes:
        scores: of the evaluated images.
        worst: the surest mistakes, the surest first.
        history: a training's `metrics.jsonl`; None for no curves.
        losses: mean validation losses by name.
        provenance: further lines about where the numbers come from.
    """

    scores: ClassificationScores
    worst: Sequence[Outcome]
    history: Path | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)


def write_metrics(path: str | os.PathLike, scores: ClassificationScores) -> None:
    """Write the numbers, unrounded, as JSON; null where undefined.

    `confusion` has for each annotated class the predicted ones with their images, but no zeros.
    """
    calibration = scores.calibration
    content = {
        **defined(scores.stats),
        "per_class": {name: defined(row) for name, row in scores.per_class.items()},
        "confusion": _sparse(scores),
        "calibration": {
            "edges": EDGES.tolist(),
            "images": calibration.images.tolist(),
            "right": calibration.right.tolist(),
            "confidence_sum": calibration.confidence.tolist(),
        },
        "num_images": scores.num_images,
    }
    write_json(path, content)


def write_report(path: str | os.PathLike, evaluation: Evaluation) -> None:
    """Write one self-contained HTML page about an evaluation."""
    page, scores = Page("Classification report"), evaluation.scores
    add_scores(page, scores.stats, STATISTICS, evaluation.losses)
    _add_classes(page, scores)
    _add_confusion(page, scores)
    _add_calibration(page, scores)
    add_training(page, evaluation.history)
    page.heading("Surest mistakes")
    page.text(
        "The images that the model is wrong about with the largest probability: often wrong "
        "labels, or photos of several things."
    )
    add_pictures(page, draw_worst(evaluation.worst, scores.classes))
    add_provenance(page, {**evaluation.provenance, "images": scores.num_images}, PACKAGES)
    page.write(path)


def _add_classes(page: Page, scores: ClassificationScores) -> None:
    page.heading("Classes")
    page.text(
        "accuracy: share of the class's images that are found (recall). precision: share of the "
        "images predicted as the class that are of it. F1: their harmonic mean. images: those "
        "annotated. A click on a column's head sorts."
    )
    names, rows = list(scores.classes), scores.per_class
    if len(names) > MAX_ROWS:
        page.text(f"The {MAX_ROWS} classes of the lowest F1; metrics.json has all {len(names)}.")
        names = scores.lowest(MAX_ROWS)
    header = ("class", *rows[names[0]])
    page.table(header, [(name, *defined(rows[name]).values()) for name in names])


def _add_confusion(page: Page, scores: ClassificationScores) -> None:
    page.heading("Confusion")
    images, names = scores.confusion, scores.classes
    pairs = largest_confusions(images, NUM_CONFUSIONS)
    if not pairs:
        page.text("There is none: every image is right.")
        return
    changed = [f"{s}: {n}" for s, n in zip(chart_names(names), names, strict=True) if s != n]
    if changed and len(names) <= CHARTED_CLASSES:
        page.text(f"Names in the chart: {', '.join(changed)}")
    caption = "Annotated by predicted classes; colours are shares of a row."
    if len(names) > CHARTED_CLASSES:
        caption += f" Of {len(names)} classes, the {CHARTED_CLASSES} that mix most."
    page.image(draw_largest_confusions(images, names), caption)
    rows = [
        (names[t], names[p], int(images[t, p]), float(100 * images[t, p] / images[t].sum()))
        for t, p in pairs
    ]
    page.table(("annotated", "predicted", "images", "% of the annotated"), rows)


def _add_calibration(page: Page, scores: ClassificationScores) -> None:
    page.heading("Calibration")
    page.text(
        "Of the images whose class has a probability of about p, a share of p should be right. "
        "Bars below the dashed line: the model is surer than it is right. The calibration error "
        "is the mean distance of the dots from the line, each bin counted by its images "
        "(Guo et al., On Calibration of Modern Neural Networks, 2017)."
    )
    page.image(draw_reliability(scores.calibration), "Reliability diagram.")


def _sparse(scores: ClassificationScores) -> dict[str, dict[str, int]]:
    """Return the images of each annotated class by predicted class, without zeros."""
    return {
        name: {scores.classes[p]: int(row[p]) for p in np.flatnonzero(row)}
        for name, row in zip(scores.classes, scores.confusion, strict=True)
    }
