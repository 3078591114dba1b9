"""Random probabilities and labels, as a classifier's evaluator hands them to a metric."""

from collections.abc import Iterator

import numpy as np
import torch


def make_outcomes(
    seed: int, num_images: int = 60, num_classes: int = 8, *, sharpness: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Float32 probabilities `(N, K)` and labels `(N,)` that they often favour."""
    random = np.random.default_rng(seed)
    labels = random.integers(num_classes, size=num_images)
    logits = random.normal(size=(num_images, num_classes))
    logits[np.arange(num_images), labels] += 1
    powers = np.exp(sharpness * logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), labels


def samples_of(scores: np.ndarray, labels: np.ndarray) -> Iterator[dict]:
    """What mmengine's evaluator hands to a metric."""
    for index, (row, label) in enumerate(zip(scores, labels, strict=True)):
        yield {
            "img_path": f"{index}.jpg",
            "gt_label": int(label),
            "pred_score": torch.from_numpy(np.asarray(row, np.float32)),
        }
