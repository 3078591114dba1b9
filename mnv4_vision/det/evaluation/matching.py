"""Which detection found which box: COCO's greedy matching over all images at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Pairs", "find_pairs", "match"]

CHUNK = 4_000_000  # pairs compared at a time


@dataclass(frozen=True)
class Pairs:
    """Detections and annotated boxes of the same image that overlap.

    Attributes:
        detection: `(P,)` index of the detection.
        truth: `(P,)` index of the annotated box.
        iou: `(P,)`; with a crowd region, the part of the detection that it covers.
    """

    detection: np.ndarray
    truth: np.ndarray
    iou: np.ndarray

    def __getitem__(self, keep: np.ndarray) -> "Pairs":
        """Return the pairs that a mask or index selects."""
        return Pairs(self.detection[keep], self.truth[keep], self.iou[keep])


def find_pairs(
    images: np.ndarray,
    boxes: np.ndarray,
    truth_images: np.ndarray,
    truth_boxes: np.ndarray,
    iscrowd: np.ndarray,
    min_iou: float,
) -> Pairs:
    """Return the pairs of at least `min_iou`.

    Args:
        images: `(N,)` image of each detection.
        boxes: `(N, 4)` xywh.
        truth_images: `(M,)` image of each annotated box.
        truth_boxes: `(M, 4)` xywh.
        iscrowd: `(M,)` whether the box is a crowd region.
        min_iou: smallest overlap of interest.
    """
    found = []
    for detection, truth in _same_image(images, truth_images):
        iou = _overlap(boxes[detection], truth_boxes[truth], iscrowd[truth])
        keep = iou >= min_iou
        found.append((detection[keep], truth[keep], iou[keep]))
    if not found:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Pairs(*map(np.concatenate, zip(*found, strict=True)))


def match(
    pairs: Pairs, scores: np.ndarray, iscrowd: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """Give each detection a box, the surest detection first and to each the best that is left.

    pycocotools' rules: one detection a box, except that a crowd region takes any number, and
    only those which no other box took; of equal overlaps the later box wins.

    Args:
        pairs: the candidates; leave out those of different classes to match within classes.
        scores: `(N,)` of the detections.
        iscrowd: `(M,)` of the annotated boxes.
        iou_threshold: smallest overlap of a match.

    Returns:
        `(N,)` index of the matched box, -1 for none.
    """
    pairs = pairs[pairs.iou >= iou_threshold]
    rank = np.empty(len(scores), dtype=np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    order = np.lexsort((-pairs.truth, -pairs.iou, iscrowd[pairs.truth], rank[pairs.detection]))
    matched = [-1] * len(scores)
    taken = [False] * len(iscrowd)
    crowd = iscrowd.astype(bool).tolist()
    for d, t in zip(pairs.detection[order].tolist(), pairs.truth[order].tolist(), strict=True):
        if matched[d] < 0 and not taken[t]:
            matched[d] = t
            taken[t] = not crowd[t]
    return np.array(matched, dtype=np.int64)


def _same_image(
    images: np.ndarray, truth_images: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield indices of detections and boxes that share an image, about `CHUNK` pairs a time."""
    by_image = np.argsort(truth_images, kind="stable")
    ordered = truth_images[by_image]
    first = np.searchsorted(ordered, images, side="left")
    counts = np.searchsorted(ordered, images, side="right") - first
    ends = np.cumsum(counts)
    cuts = np.searchsorted(ends, np.arange(CHUNK, ends[-1], CHUNK)) if len(ends) else []
    for part in np.split(np.arange(len(images)), cuts):
        detection = np.repeat(part, counts[part])
        starts = np.cumsum(counts[part]) - counts[part]
        position = np.arange(len(detection)) - np.repeat(starts, counts[part])
        yield detection, by_image[first[detection] + position]


def _overlap(boxes: np.ndarray, truth: np.ndarray, iscrowd: np.ndarray) -> np.ndarray:
    """Return the overlap of xywh boxes, row by row."""
    low = np.maximum(boxes[:, :2], truth[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], truth[:, :2] + truth[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=1)
    area = boxes[:, 2:].prod(axis=1)
    union = np.where(iscrowd > 0, area, area + truth[:, 2:].prod(axis=1) - common)
    return common / np.maximum(union, np.finfo(np.float64).tiny)
