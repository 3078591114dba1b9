"""Soft-NMS (Bodla et al. 2017) on the CPU, in the order of operations of mmcv's kernel."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["soft_nms"]

_NAIVE, _LINEAR = 0, 1  # 2 is Gaussian


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Take the best box and lower the scores of its neighbours, until no box is left.

    Args:
        boxes: `(N, 4)` as `x1, y1, x2, y2`, on the CPU.
        scores: `(N,)`.
        dets: `(N, 5)`; the first K rows are overwritten with boxes and lowered scores.
        iou_threshold: From this IoU on, the naive and the linear method act.
        sigma: Width of the Gaussian method.
        min_score: A box that falls below it is dropped.
        method: 0 naive (drop), 1 linear, 2 Gaussian.
        offset: Added to widths and heights.

    Returns:
        Indices of the K boxes in the order they were taken, int64.
    """
    corners = boxes.detach().float().numpy()
    area = (corners[:, 2:] - corners[:, :2] + offset).prod(1)
    table = np.column_stack([corners, scores.detach().float().numpy(), area])
    index = np.arange(len(table))
    taken = 0
    while taken < len(table):
        best = taken + int(table[taken:, 4].argmax())
        for rows in (table, index):
            rows[[taken, best]] = rows[[best, taken]]
        taken += 1
        rest = table[taken:]
        iou = _iou(table[taken - 1], rest, offset)
        rest[:, 4] *= _decay(iou, iou_threshold, sigma, method)
        order = taken + _fill_holes(rest[:, 4] >= min_score)
        table = np.concatenate([table[:taken], table[order]])
        index = np.concatenate([index[:taken], index[order]])
    dets[: len(table)] = torch.from_numpy(table[:, :5])
    return torch.from_numpy(index)


def _iou(box: np.ndarray, others: np.ndarray, offset: int) -> np.ndarray:
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:4], others[:, 2:4])
    inter = np.maximum(high - low + offset, 0).prod(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return inter / (box[5] + others[:, 5] - inter)


def _decay(iou: np.ndarray, iou_threshold: float, sigma: float, method: int) -> np.ndarray:
    if method == _NAIVE:
        return np.where(iou >= iou_threshold, np.float32(0), np.float32(1))
    if method == _LINEAR:
        return np.where(iou >= iou_threshold, 1 - iou, np.float32(1))
    return np.exp(-(iou * iou) / np.float32(sigma))


def _fill_holes(keep: np.ndarray) -> np.ndarray:
    """Return the order of the kept rows after the kernel has moved its last ones into the gaps."""
    order = np.arange(len(keep))
    size = int(keep.sum())
    order[:size][~keep[:size]] = order[size:][keep[size:]][::-1]
    return order[:size]
