"""Boundary F-score: do the outlines of the predicted regions lie on the annotated ones?

After Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013;
ignored pixels as in DAVIS's evaluation (Perazzi et al. 2016, `davis2017-evaluation`).
"""

from math import isqrt

import numpy as np

from mnv4_vision.datasets.masks import IGNORED

__all__ = ["TOLERANCE", "boundary_f_scores"]

TOLERANCE = 0.0075  # share of the image's diagonal, Csurka's


def boundary_f_scores(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Score the outlines of each class in an image.

    A boundary pixel of a class has a neighbour above, below, left or right of another label. It is
    right if the other map has a boundary pixel of the same class within `TOLERANCE` of the
    diagonal, by Euclidean distance. Pixels that are ignored in `truth` are ignored in both maps:
    they have no boundary of their own and bound what touches them.

    Args:
        truth: `(H, W)` uint8 labels, 255 ignored.
        prediction: `(H, W)` uint8 labels.
        num_classes: K.

    Returns:
        `(K,)` harmonic means of precision and recall; 0 where only one of the maps has boundary
        pixels of the class, NaN where neither has.
    """
    # Outlines in both maps: labels on boundary pixels, 255 elsewhere.
    drawn = _outlines(np.where(truth == IGNORED, IGNORED, prediction).astype(np.uint8))
    wanted = _outlines(truth)
    radius = TOLERANCE * float(np.hypot(*truth.shape))
    hits, drawn_total = _count_near(drawn, wanted, radius)
    found, wanted_total = _count_near(wanted, drawn, radius)
    # 2PR / (P + R) with P = hits / drawn_total and R = found / wanted_total
    above = 2.0 * hits * found
    below = hits * wanted_total + found * drawn_total
    scores = np.divide(above, below, out=np.zeros(256), where=below > 0)
    scores[drawn_total + wanted_total == 0] = np.nan
    return scores[:num_classes]


def _outlines(labels: np.ndarray) -> np.ndarray:
    """Keep the labels of pixels with a neighbour of another label; the others become 255."""
    edge = np.zeros(labels.shape, dtype=bool)
    rows, columns = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= rows
    edge[:-1] |= rows
    edge[:, 1:] |= columns
    edge[:, :-1] |= columns
    return np.where(edge, labels, np.uint8(IGNORED))


def _count_near(
    outlines: np.ndarray, others: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Count the outline pixels with one of the same label near in `others`, and all, by label.

    All labels at once, over the outline pixels alone: their places are sorted numbers, in which a
    part of a row of one label is an interval. The nearest rows go first, and pixels that have
    matched leave.

    Returns:
        Two `(256,)` counts.
    """
    margin = int(radius)
    width = outlines.shape[1] + 2 * margin
    area = (outlines.shape[0] + 2 * margin) * width
    places = _places(outlines, margin)
    known = np.append(_places(others, margin), np.iinfo(np.int64).max)
    total = np.bincount(places // area, minlength=256)
    for down in sorted(range(-margin, margin + 1), key=abs):
        reach = isqrt(int(radius**2 - down**2))
        first = places + (down * width - reach)
        places = places[known[np.searchsorted(known, first)] > first + 2 * reach]
    return total - np.bincount(places // area, minlength=256), total


def _places(outlines: np.ndarray, margin: int) -> np.ndarray:
    """Number outline pixels by label, row and column of the map with a margin; `(N,)` sorted."""
    height, width = (side + 2 * margin for side in outlines.shape)
    pixels = np.flatnonzero(outlines != IGNORED)
    labels = outlines.ravel()[pixels]
    pixels += pixels // outlines.shape[1] * (2 * margin) + margin * (width + 1)
    pixels += labels * np.int64(height * width)
    return pixels[np.argsort(labels, kind="stable")]  # of bytes: a radix sort
