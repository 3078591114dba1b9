"""Confusion matrices of label maps."""

import numpy as np

from mnv4_vision.core.confusion import ratio
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks import IGNORED

__all__ = ["class_iou", "confusion_matrix"]


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the pixels of each pair of annotated and predicted class.

    Args:
        truth: `(H, W)` uint8 labels, 255 where nothing is annotated: left out.
        prediction: `(H, W)` uint8 labels.
        num_classes: number of classes, at most 255.

    Returns:
        `(K, K)` int64 counts, rows the annotated class, columns the predicted one.

    Raises:
        InputError: a label that is no class.
    """
    # One count over pairs of bytes: no masked copies, and labels that are no class show up too.
    pairs = truth.astype(np.uint16)
    pairs <<= 8
    pairs |= prediction
    counts = np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)[:IGNORED]
    confusion = counts[:num_classes, :num_classes].astype(np.int64)
    if confusion.sum() != counts.sum():
        _refuse(counts, num_classes)
    return confusion


def _refuse(counts: np.ndarray, num_classes: int) -> None:
    """Name the label that is no class."""
    annotated = np.flatnonzero(counts.sum(axis=1))[-1]
    if annotated >= num_classes:
        raise InputError(
            f"the mask has label {annotated} but the data set has only {num_classes} classes "
            f"(0..{num_classes - 1}, {IGNORED} = ignored); `tools/data.py verify` checks all masks"
        )
    predicted = np.flatnonzero(counts.sum(axis=0))[-1]
    raise InputError(
        f"the model predicts class number {predicted} but the data set has only {num_classes} "
        f"classes: set the head's num_classes to {num_classes}"
    )


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """Return each class's intersection over union, NaN where neither side has the class."""
    hits = np.diagonal(confusion)
    return ratio(hits, confusion.sum(axis=0) + confusion.sum(axis=1) - hits)
