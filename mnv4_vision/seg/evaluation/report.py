"""The evaluation as files: `metrics.json`, and one HTML page that shows what to do next."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mnv4_vision.core.charts import chart_names, draw_confusion
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
from mnv4_vision.seg.evaluation.boundary import TOLERANCE
from mnv4_vision.seg.evaluation.scores import STATISTICS, SegmentationScores
from mnv4_vision.seg.evaluation.tally import WorstImage
from mnv4_vision.seg.evaluation.worst import draw_worst

__all__ = ["Evaluation", "write_metrics", "write_report"]

NUM_CONFUSIONS = 15
PACKAGES = ("torch", "onedl-mmengine", "onedl-mmsegmentation", "numpy")


@dataclass(frozen=True)
class Evaluation:
    """Scores with all that a report about them needs.

    Attributes:
        scores: of the evaluated images.
        worst: the worst of them, the worst first.
        palette: `(K, 3)` RGB.
        history: a training's `metrics.jsonl`; None for no curves.
        losses: mean validation losses by name.
        provenance: further lines about where the numbers come from.
    """

    scores: SegmentationScores
    worst: Sequence[WorstImage]
    palette: Sequence[Sequence[int]]
    history: Path | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)


def write_metrics(path: str | os.PathLike, scores: SegmentationScores) -> None:
    """Write the means, unrounded, and the numbers of each class as JSON; null where undefined."""
    content = {
        **defined(scores.stats),
        "per_class": {name: defined(row) for name, row in scores.per_class.items()},
        "confusion": scores.confusion.tolist(),
        "num_images": scores.num_images,
    }
    write_json(path, content)


def write_report(path: str | os.PathLike, evaluation: Evaluation) -> None:
    """Write one self-contained HTML page about an evaluation."""
    page = Page("Segmentation report")
    add_scores(page, evaluation.scores.stats, STATISTICS, evaluation.losses)
    _add_classes(page, evaluation.scores)
    _add_confusion(page, evaluation.scores)
    add_training(page, evaluation.history)
    page.heading("Worst images")
    page.text(
        "The lowest mean IoU of the classes that are annotated or predicted in the image. "
        "Red: wrong; dark grey: nothing annotated, not counted. Percentages are of the image's "
        "annotated pixels."
    )
    names = evaluation.scores.classes
    add_pictures(page, draw_worst(evaluation.worst, evaluation.palette, names))
    rows = {**evaluation.provenance, "images": evaluation.scores.num_images}
    add_provenance(page, rows, PACKAGES)
    page.write(path)


def _add_classes(page: Page, scores: SegmentationScores) -> None:
    page.heading("Classes")
    page.text(
        "Acc: share of the annotated pixels that are found. precision: share of the predicted "
        "pixels that are right. boundaryF: how well the outlines agree, within "
        f"{100 * TOLERANCE:g} % of the diagonal. Classes without annotated or predicted pixels "
        "have no numbers and count in no mean. A click on a column's head sorts."
    )
    rows = {name: defined(row) for name, row in scores.per_class.items()}
    header = ("class", *next(iter(rows.values())))
    page.table(header, [(name, *row.values()) for name, row in rows.items()])


def _add_confusion(page: Page, scores: SegmentationScores) -> None:
    page.heading("Confusion")
    page.text("Of the pixels of an annotated class, the percentage that is predicted as each.")
    names = list(scores.classes)
    changed = [f"{s}: {n}" for s, n in zip(chart_names(names), names, strict=True) if s != n]
    if changed:
        page.text(f"Names in the chart: {', '.join(changed)}")
    chart = draw_confusion(scores.confusion, names, names, percent=True)
    page.image(chart, "Annotated by predicted classes.")
    pixels, names = scores.confusion, scores.classes
    rows = [
        (names[t], names[p], int(pixels[t, p]), float(100 * pixels[t, p] / pixels[t].sum()))
        for t, p in largest_confusions(pixels, NUM_CONFUSIONS)
    ]
    if rows:
        page.table(("annotated", "predicted", "pixels", "% of the annotated"), rows)
