"""What follows from a confusion matrix, whatever it counts. Rows are the annotated classes."""

import numpy as np

__all__ = ["largest_confusions", "ratio"]


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide counts, `(K,)` each; NaN for 0 / 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def largest_confusions(confusion: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Return the pairs `(annotated, predicted)` of classes with the most mistakes.

    Args:
        confusion: `(K, K)` counts.
        count: How many pairs at most; without mistakes there is none.
    """
    wrong = confusion * (1 - np.eye(len(confusion), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [
        (int(annotated), int(predicted))
        for annotated, predicted in pairs
        if wrong[annotated, predicted]
    ]
