"""What goes wrong, and where: confusions, kinds of error, operating points, the worst cases.

Kinds of error after TIDE (Bolya et al. 2020, section 2.2), with its IoU thresholds 0.5 and 0.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mnv4_vision.det.evaluation.coco_files import GroundTruth
from mnv4_vision.det.evaluation.matching import Pairs, find_pairs, match

__all__ = ["ERROR_KINDS", "Analysis", "OperatingPoint", "analyse"]

IOU_THRESHOLD = 0.5
BACKGROUND_IOU = 0.1
SCORE_THRESHOLD = 0.3

ERROR_KINDS: dict[str, str] = {
    "classification": "on an object of another class",
    "localisation": f"right class, IoU between {BACKGROUND_IOU} and {IOU_THRESHOLD}",
    "both": f"another class, IoU between {BACKGROUND_IOU} and {IOU_THRESHOLD}",
    "duplicate": "on an object that a surer detection has found",
    "background": f"on nothing: IoU below {BACKGROUND_IOU} with every object",
    "missed": "objects that neither a hit nor one of the first two errors covers",
}


@dataclass(frozen=True)
class OperatingPoint:
    """Precision and recall at the score threshold with the best F1, at IoU 0.5.

    Attributes:
        threshold: keep detections of this score and above.
        precision: share of them that are right.
        recall: share of the annotated boxes that they find.
        f1: harmonic mean of the two.
    """

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Analysis:
    """Errors at one score threshold and IoU 0.5; indices are rows of the arrays analysed.

    Attributes:
        score_threshold: detections below it are left out, except for the operating points.
        operating_points: per class, None where no detection is right.
        confusion: `(K + 1, K + 1)` counts, rows the annotated class, columns the predicted one;
            the last row is predictions on nothing, the last column boxes that nothing found.
        errors: kind of error (`ERROR_KINDS`) to its count.
        kinds: `(N,)` kind of each detection that is an error, "" for the others.
        false_positives: detections that are errors, the surest first.
        misses: boxes without a detection of their class, the largest first, classes in turn.
    """

    score_threshold: float
    operating_points: dict[str, OperatingPoint | None]
    confusion: np.ndarray
    errors: dict[str, int]
    kinds: np.ndarray
    false_positives: np.ndarray
    misses: np.ndarray


def analyse(
    gt: GroundTruth,
    detections: np.ndarray,
    categories: Mapping[str, int],
    *,
    score_threshold: float = SCORE_THRESHOLD,
) -> Analysis:
    """Compare detections with the annotated boxes.

    Crowd regions absorb what lies in them: neither right nor wrong.

    Args:
        gt: annotated boxes; narrow them to the evaluated images and classes first.
        detections: `(N, 7)` rows `image_id, x, y, w, h, score, category_id`.
        categories: name to category id of all classes that occur, in the order of the tables.
        score_threshold: leave out less sure detections.
    """
    category_ids = np.array(list(categories.values()))
    labels = _positions(detections[:, 6].astype(np.int64), category_ids)
    truth_labels = _positions(gt.category_ids, category_ids)
    scores, crowd = detections[:, 5], gt.iscrowd > 0
    images = detections[:, 0].astype(np.int64)
    pairs = find_pairs(
        images, detections[:, 1:5], gt.image_ids, gt.boxes, gt.iscrowd, BACKGROUND_IOU
    )
    same_class = labels[pairs.detection] == truth_labels[pairs.truth]
    matched = match(pairs[same_class], scores, gt.iscrowd, IOU_THRESHOLD)
    # What is less sure never takes a box from what is surer: the threshold can come after.
    shown = scores >= score_threshold
    shown_match = np.where(shown, matched, -1)
    across = match(pairs[shown[pairs.detection]], scores, gt.iscrowd, IOU_THRESHOLD)
    found = np.zeros(len(crowd), dtype=bool)
    found[shown_match[shown_match >= 0]] = True
    kinds, covered = _error_kinds(pairs, same_class, crowd, shown, matched)
    errors = {kind: int((kinds == kind).sum()) for kind in ERROR_KINDS}
    errors["missed"] = int((~found & ~covered & ~crowd).sum())
    wrong = np.flatnonzero(kinds != "")
    boxes_of = np.bincount(truth_labels[~crowd], minlength=len(categories))
    neutral = matched >= 0
    neutral[neutral] = crowd[matched[neutral]]
    return Analysis(
        score_threshold=score_threshold,
        operating_points={
            name: _best_f1(scores[own], matched[own] >= 0, int(boxes_of[k]))
            for k, name in enumerate(categories)
            for own in [(labels == k) & ~neutral]
        },
        confusion=_confusion(across, labels, truth_labels, crowd, shown, len(categories)),
        errors=errors,
        kinds=kinds,
        false_positives=wrong[np.argsort(-scores[wrong], kind="stable")],
        misses=_rank_misses(np.flatnonzero(~found & ~crowd), gt.area, truth_labels),
    )


def _positions(values: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return the index in `allowed` of each value."""
    order = np.argsort(allowed)
    return order[np.searchsorted(allowed, values, sorter=order)]


def _confusion(
    matched: np.ndarray,
    labels: np.ndarray,
    truth_labels: np.ndarray,
    crowd: np.ndarray,
    shown: np.ndarray,
    num_classes: int,
) -> np.ndarray:
    matrix = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)
    hits = np.flatnonzero(matched >= 0)
    hits = hits[~crowd[matched[hits]]]
    np.add.at(matrix, (truth_labels[matched[hits]], labels[hits]), 1)
    np.add.at(matrix[num_classes], labels[shown & (matched < 0)], 1)
    missed = ~crowd
    missed[matched[hits]] = False
    np.add.at(matrix[:, num_classes], truth_labels[missed], 1)
    return matrix


def _error_kinds(
    pairs: Pairs,
    same_class: np.ndarray,
    crowd: np.ndarray,
    shown: np.ndarray,
    matched: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind of error of each detection, and which boxes such an error covers."""
    real = ~crowd[pairs.truth]
    own_iou, own_box = _best(pairs[real & same_class], len(shown))
    other_iou, other_box = _best(pairs[real & ~same_class], len(shown))
    # The order of TIDE's own code where several fit.
    conditions = {
        "": ~shown | (matched >= 0),
        "localisation": (own_iou >= BACKGROUND_IOU) & (own_iou < IOU_THRESHOLD),
        "classification": other_iou >= IOU_THRESHOLD,
        "duplicate": own_iou >= IOU_THRESHOLD,
        "both": other_iou >= BACKGROUND_IOU,
    }
    kinds = np.select(list(conditions.values()), list(conditions), default="background")
    covered = np.zeros(len(crowd), dtype=bool)
    covered[own_box[kinds == "localisation"]] = True
    covered[other_box[kinds == "classification"]] = True
    return kinds, covered


def _best(pairs: Pairs, num_detections: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest IoU of each detection and the box that has it."""
    iou, box = np.zeros(num_detections), np.zeros(num_detections, dtype=np.int64)
    pairs = pairs[np.argsort(pairs.iou, kind="stable")]
    iou[pairs.detection], box[pairs.detection] = pairs.iou, pairs.truth  # the last one stays
    return iou, box


def _best_f1(scores: np.ndarray, hit: np.ndarray, num_boxes: int) -> OperatingPoint | None:
    """Return the score threshold of the best F1 of one class; the highest of equal ones."""
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(hit[order])
    if not num_boxes or not hit.any():
        return None
    # A threshold keeps all detections of one score or none.
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    kept, hits = ends + 1, hits[ends]
    f1 = 2 * hits / (kept + num_boxes)
    best = f1.argmax()
    return OperatingPoint(
        threshold=float(scores[ends[best]]),
        precision=float(hits[best] / kept[best]),
        recall=float(hits[best] / num_boxes),
        f1=float(f1[best]),
    )


def _rank_misses(missed: np.ndarray, area: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Order by area, the largest first, and take the classes in turn."""
    missed = missed[np.argsort(-area[missed], kind="stable")]
    by_class = np.argsort(labels[missed], kind="stable")
    ordered = labels[missed][by_class]
    turn = np.empty(len(missed), dtype=np.int64)
    turn[by_class] = np.arange(len(missed)) - np.searchsorted(ordered, ordered)
    return missed[np.argsort(turn, kind="stable")]
