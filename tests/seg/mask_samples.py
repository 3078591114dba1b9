"""Random label maps and the samples that a segmentation model returns for them."""

from collections.abc import Iterator

import numpy as np
import torch

IGNORED = 255


def make_maps(
    seed: int, num_images: int = 5, num_classes: int = 4, *, ignored: float = 0.1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of truth and prediction, uint8, of different sizes; blocks with noise."""
    random = np.random.default_rng(seed)
    pairs = []
    for index in range(num_images):
        blocks = random.integers(num_classes, size=(4, 5)).repeat(7, 0).repeat(8 + index, 1)
        truth, prediction = blocks.astype(np.uint8), np.roll(blocks, 2, axis=1).astype(np.uint8)
        wrong = random.random(truth.shape) < 0.1
        prediction[wrong] = random.integers(num_classes, size=wrong.sum())
        truth[random.random(truth.shape) < ignored] = IGNORED
        pairs.append((truth, prediction))
    return pairs


def samples_of(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[dict]:
    """What mmseg's evaluator hands to a metric."""
    for index, (truth, prediction) in enumerate(pairs):
        yield {
            "img_path": f"{index}.jpg",
            "gt_sem_seg": {"data": torch.from_numpy(truth.astype(np.int64))[None]},
            "pred_sem_seg": {"data": torch.from_numpy(prediction.astype(np.int64))[None]},
        }
