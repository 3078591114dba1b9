"""Greedy non-maximum suppression on the CPU without compiled code.

Keeps the same boxes as the C++ kernels of torchvision and mmcv, which test every box against every
kept one. Here a sweep along x lists the pairs that can overlap at all and NumPy tests them at once.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

__all__ = ["nms"]

_BLOCK = 1024  # boxes resolved at once, best first; bounds memory and drops dense clusters early
_CHUNK = 1 << 15  # pairs tested at once: their temporaries stay in the CPU's cache
_SLACK = 1 + 1e-5  # widens the sweep by far more than float32 rounding


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Keep every box that no better kept box overlaps by more than `iou_threshold`.

    Args:
        boxes: `(N, 4)` as `x1, y1, x2, y2`, on any device.
        scores: `(N,)`. Equal scores keep their order.
        iou_threshold: At least 0. Compared in double precision, as torchvision does on the CPU.
        offset: Added to widths and heights: 1 where `x2` and `y2` belong to the box, else 0.

    Returns:
        Indices of the kept boxes `(K,)`, int64, best score first, on the device of `boxes`.

    Raises:
        ValueError: If a shape does not fit or the threshold is negative.
    """
    if boxes.ndim != 2 or boxes.size(1) != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(
            "nms takes boxes (N, 4) and scores (N,), "
            f"got {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    if not iou_threshold >= 0:
        raise ValueError(f"nms: iou_threshold must be at least 0, got {iou_threshold}")
    order = scores.detach().sort(stable=True, descending=True).indices
    corners = boxes.detach()[order].T.contiguous().cpu()
    # NumPy has no bfloat16, and the area of a large box overflows float16.
    x1, y1, x2, y2 = (corners if corners.dtype == torch.float64 else corners.float()).numpy()
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        area = (x2 - x1 + offset) * (y2 - y1 + offset)
        ranked = np.stack([x1, y1, x2, y2, area])
        kept = _greedy(ranked, np.float64(iou_threshold), offset)
    return order[torch.from_numpy(kept).to(order.device)]


def _greedy(boxes: np.ndarray, threshold: np.float64, offset: int) -> np.ndarray:
    """Return the kept columns of `boxes` `(5, N)`: x1, y1, x2, y2, area, in falling score."""
    remaining = np.arange(boxes.shape[1])
    kept = [remaining[:0]]
    while len(remaining):
        block, remaining = remaining[:_BLOCK], remaining[_BLOCK:]
        first, second = _overlaps(boxes[:, block], boxes[:, block], threshold, offset)
        once = first < second
        best = block[_resolve(len(block), first[once], second[once])]
        kept.append(best)
        _, dropped = _overlaps(boxes[:, best], boxes[:, remaining], threshold, offset)
        remaining = np.delete(remaining, dropped)
    return np.concatenate(kept)


def _resolve(num_boxes: int, better: np.ndarray, worse: np.ndarray) -> np.ndarray:
    """Return the mask of boxes that greedy suppression keeps, given all overlapping pairs.

    A box without a better rival stays, its rivals go, and with them their pairs. The best box of
    all open pairs has no rival, so every round closes some.
    """
    suppressed = np.zeros(num_boxes, dtype=bool)
    while len(better):
        has_rival = np.zeros(num_boxes, dtype=bool)
        has_rival[worse] = True
        suppressed[worse[~has_rival[better]]] = True
        is_open = ~(suppressed[better] | suppressed[worse])
        better, worse = better[is_open], worse[is_open]
    return ~suppressed


def _overlaps(
    a: np.ndarray, b: np.ndarray, threshold: np.float64, offset: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the index pairs `(i, j)` for which `a[:, i]` and `b[:, j]` have IoU > `threshold`."""
    by_x1 = np.argsort(b[0], kind="stable")
    b = b[:, by_x1]
    pairs = [_above(a, b, i, j, threshold, offset) for i, j in _near(a, b[0], threshold, offset)]
    first, second = zip(*pairs, strict=True) if pairs else ([by_x1[:0]], [by_x1[:0]])
    return np.concatenate(first), by_x1[np.concatenate(second)]


def _near(
    a: np.ndarray, x1: np.ndarray, threshold: np.float64, offset: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, in chunks, the pairs whose left edges are close enough for IoU > t.

    IoU is at most the IoU of the two x intervals. With the width w of a's interval, that needs the
    other one to start less than w (1 - t) to the right of it or w (1 / t - 1) to the left.
    """
    width = (a[2] - a[0] + offset).astype(np.float64)
    begin = np.searchsorted(x1, a[0] - width * (_SLACK / threshold - 1), side="left")
    end = np.searchsorted(x1, a[0] + width * (_SLACK - threshold), side="right")
    counts = np.maximum(end - begin, 0)
    stops = np.cumsum(counts)
    starts = stops - counts
    row = 0
    while row < len(counts):
        next_row = max(row + 1, np.searchsorted(stops, starts[row] + _CHUNK, side="right"))
        rows = slice(row, next_row)
        second = np.repeat((begin - starts)[rows], counts[rows])
        second += np.arange(starts[row], starts[row] + len(second))
        yield np.repeat(np.arange(row, next_row), counts[rows]), second
        row = next_row


def _above(
    a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray, threshold: np.float64, offset: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return those of the pairs that overlap, in the arithmetic of the C++ kernels."""
    height = np.minimum(a[3][i], b[3][j]) - np.maximum(a[1][i], b[1][j]) + offset
    touching = np.flatnonzero(height > 0)
    i, j, height = i[touching], j[touching], height[touching]
    width = np.minimum(a[2][i], b[2][j]) - np.maximum(a[0][i], b[0][j]) + offset
    inter = np.maximum(width, 0) * height
    above = inter / (a[4][i] + b[4][j] - inter) > threshold
    return i[above], j[above]
