"""The evaluation as files: `metrics.json`, and one HTML page that shows what to do next."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mnv4_vision.core.charts import chart_names, draw_confusion
from mnv4_vision.core.confusion import largest_confusions
from mnv4_vision.core.errors import MissingFileError
from mnv4_vision.core.files import write_json
from mnv4_vision.core.html import Page
from mnv4_vision.core.report import add_pictures, add_provenance, add_training
from mnv4_vision.datasets import read_json
from mnv4_vision.det.evaluation.analysis import ERROR_KINDS, SCORE_THRESHOLD, Analysis, analyse
from mnv4_vision.det.evaluation.charts import draw_precision_recall
from mnv4_vision.det.evaluation.coco_files import (
    GroundTruth,
    detections_array,
    read_ground_truth,
)
from mnv4_vision.det.evaluation.scores import (
    CLASS_STATISTICS,
    STATISTICS,
    CocoScores,
    evaluate_coco,
    hotcoco_evaluator,
    select_categories,
)
from mnv4_vision.det.evaluation.worst import WorstCases

__all__ = ["Evaluation", "evaluate_files", "write_metrics", "write_report"]

NUM_PICTURES = 12
NUM_CONFUSIONS = 15
# hotcoco's names of the kinds of error
TIDE_NAMES = {
    "classification": "Cls",
    "localisation": "Loc",
    "both": "Both",
    "duplicate": "Dupe",
    "background": "Bkg",
    "missed": "Miss",
}
PACKAGES = ("torch", "onedl-mmengine", "onedl-mmdetection", "hotcoco", "numpy")


@dataclass(frozen=True)
class Evaluation:
    """Scored detections with all that a report about them needs.

    Attributes:
        gt: the annotated boxes.
        detections: `(N, 7)` rows `image_id, x, y, w, h, score, category_id`.
        scores: what `evaluate_coco` returned for them.
        image_ids: the evaluated images.
        categories: class name to category id, in the order of the tables.
        images: folder that the annotations' file names start from; None for no pictures.
        history: a training's `metrics.jsonl`; None for no curves.
        losses: mean validation losses by name.
        provenance: further lines about where the numbers come from.
    """

    gt: GroundTruth
    detections: np.ndarray
    scores: CocoScores
    image_ids: list[int]
    categories: dict[str, int]
    images: Path | None = None
    history: Path | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)


def evaluate_files(
    annotations: str | os.PathLike,
    detections: str | os.PathLike,
    images: str | os.PathLike | None = None,
) -> Evaluation:
    """Score a COCO results file.

    Raises:
        InputError: a file is missing or inconsistent; the message names the record.
    """
    if images is not None and not Path(images).is_dir():
        raise MissingFileError(f"image folder {images} does not exist")
    gt = read_ground_truth(annotations)
    content = read_json(detections, "detections file")
    rows = detections_array(content, gt, f"detections file {detections}")
    return Evaluation(
        gt=gt,
        detections=rows,
        scores=evaluate_coco(gt, rows),
        image_ids=sorted(image["id"] for image in gt.images),
        categories=select_categories(gt),
        images=None if images is None else Path(images),
        provenance={"annotations": annotations, "detections file": detections},
    )


def write_metrics(path: str | os.PathLike, scores: CocoScores) -> None:
    """Write the twelve numbers, unrounded, and those of each class as JSON."""
    content = {**scores.stats, "per_class": scores.per_class, "num_images": scores.num_images}
    write_json(path, content)


def write_report(
    path: str | os.PathLike, evaluation: Evaluation, score_threshold: float = SCORE_THRESHOLD
) -> None:
    """Write one self-contained HTML page about an evaluation.

    Args:
        path: file to write.
        evaluation: scored detections.
        score_threshold: detections below it are left out of confusions, errors and pictures.
    """
    gt = evaluation.gt.select(evaluation.image_ids, list(evaluation.categories.values()))
    analysis = analyse(
        gt, evaluation.detections, evaluation.categories, score_threshold=score_threshold
    )
    page = Page("Detection report")
    _add_scores(page, evaluation.scores, evaluation.losses)
    _add_classes(page, evaluation.scores, analysis)
    _add_curves(page, evaluation.scores, list(evaluation.categories))
    _add_errors(page, evaluation, analysis)
    _add_confusion(page, analysis, list(evaluation.categories))
    add_training(page, evaluation.history)
    if evaluation.images is not None:
        worst = WorstCases(
            gt, evaluation.detections, evaluation.categories, analysis, evaluation.images
        )
        _add_pictures(page, worst)
    _add_provenance(page, evaluation)
    page.write(path)


def _add_scores(page: Page, scores: CocoScores, losses: Mapping[str, float]) -> None:
    page.heading("Scores")
    rows = [(name, _defined(scores.stats[name]), text) for name, text in STATISTICS.items()]
    rows += [(name, float(value), "loss, mean over the images") for name, value in losses.items()]
    page.table(("number", "value", "what"), rows)


def _add_classes(page: Page, scores: CocoScores, analysis: Analysis) -> None:
    page.heading("Classes")
    page.text(
        "threshold: the score from which on the class has its best F1 at IoU 0.5; precision and "
        "recall are those there. A click on a column's head sorts."
    )
    rows = []
    for name, row in scores.per_class.items():
        point = analysis.operating_points[name]
        best = (point.threshold, point.precision, point.recall) if point else (None,) * 3
        numbers = (_defined(row[key]) for key in CLASS_STATISTICS)
        rows.append((name, row["count"], *numbers, *best))
    header = ("class", "boxes", *CLASS_STATISTICS, "threshold", "precision", "recall")
    page.table(header, rows)


def _add_curves(page: Page, scores: CocoScores, names: list[str]) -> None:
    page.heading("Precision and recall")
    written = zip(chart_names(names), names, strict=True)
    changed = [f"{short}: {name}" for short, name in written if short != name]
    if changed:
        page.text(f"Names in the charts: {', '.join(changed)}")
    page.image(draw_precision_recall(scores.precision, names), "Precision over recall of a class.")


def _add_errors(page: Page, evaluation: Evaluation, analysis: Analysis) -> None:
    page.heading("Errors")
    page.text(
        f"Kinds of error after TIDE (Bolya et al. 2020) at IoU 0.5. Counts are of detections with "
        f"a score of at least {analysis.score_threshold:g}; AP50 lost is by how much AP50 would "
        "rise with this kind of error mended, over all detections."
    )
    lost = _lost_ap(evaluation)
    rows = [(kind, analysis.errors[kind], lost[kind], text) for kind, text in ERROR_KINDS.items()]
    page.table(("error", "count", "AP50 lost", "a detection"), rows)


def _lost_ap(evaluation: Evaluation) -> dict[str, float]:
    ids = sorted(evaluation.categories.values())
    evaluator = hotcoco_evaluator(evaluation.gt, evaluation.detections, ids, evaluation.image_ids)
    evaluator.evaluate()
    lost = evaluator.tide_errors()["delta_ap"]
    return {kind: float(lost[name]) for kind, name in TIDE_NAMES.items()}


def _add_confusion(page: Page, analysis: Analysis, names: list[str]) -> None:
    page.heading("Confusion")
    page.text(
        f"Detections with a score of at least {analysis.score_threshold:g}, matched to boxes of "
        "any class, the surest first, one to one, from IoU 0.5. Crowd regions absorb what lies in "
        "them. Colours are shares of a row."
    )
    chart = draw_confusion(analysis.confusion, [*names, "(nothing)"], [*names, "(missed)"])
    page.image(chart, "Annotated by predicted classes.")
    between = analysis.confusion[:-1, :-1]
    rows = [
        (names[row], names[column], int(between[row, column]))
        for row, column in largest_confusions(between, NUM_CONFUSIONS)
    ]
    if rows:
        page.table(("annotated", "predicted", "count"), rows)


def _add_pictures(page: Page, worst: WorstCases) -> None:
    page.heading("Worst false positives")
    page.text("The surest detections that are errors, one an image, in the yellow frame.")
    add_pictures(page, worst.false_positives(NUM_PICTURES))
    page.heading("Worst misses")
    page.text(
        "Objects that no detection of their class found, the largest of each class first, one an "
        "image, in the yellow frame."
    )
    add_pictures(page, worst.misses(NUM_PICTURES))


def _add_provenance(page: Page, evaluation: Evaluation) -> None:
    rows = {
        **evaluation.provenance,
        "images": f"{evaluation.scores.num_images} of {len(evaluation.gt.images)} annotated",
        "detections": len(evaluation.detections),
    }
    add_provenance(page, rows, PACKAGES)


def _defined(value: float) -> float | None:
    """Return None for COCO's -1: nothing to score."""
    return None if value < 0 else value
