"""For classes that few images or pixels have: drawing their images more often, or weighing them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, HOOKS
from mmengine.runner import Runner
from mmseg.models.losses import CrossEntropyLoss

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks.counts import count_pixels
from mnv4_vision.seg.dataset import MaskDataset

__all__ = ["ClassBalancedSampler", "ClassWeightsHook", "image_weights", "median_frequency"]


def image_weights(counts: np.ndarray, threshold: float, min_share: float) -> np.ndarray:
    """How much more often than others each image is to be drawn (LVIS, arXiv 1908.03195).

    A class in the share `f` of the images has the factor `max(1, sqrt(threshold / f))`, an image
    the largest factor among its classes.

    Args:
        counts: `(N, C + 1)` pixels of each class in each image, and without class.
        threshold: Classes in fewer than this share of the images are rare.
        min_share: An image has a class if at least this share of its pixels is of it.

    Returns:
        `(N,)` factors, 1 and more.
    """
    has = counts[:, :-1] >= np.maximum(1, min_share * counts.sum(1, keepdims=True))
    frequency = has.mean(0)
    factors = np.sqrt(threshold / np.maximum(frequency, 1 / len(has))).clip(min=1)
    return np.where(has, factors, 1).max(1, initial=1)


def median_frequency(
    counts: np.ndarray, maximum: float = float("inf"), power: float = 1.0
) -> np.ndarray:
    """Weights of the classes by median frequency balancing (SegNet, arXiv 1511.00561, section 4).

    A class's frequency is its share of the pixels of the images that have it; its weight is the
    median of all frequencies, divided by its own.

    Args:
        counts: `(N, C + 1)` pixels of each class in each image, and without class.
        maximum: No class weighs more.
        power: 1 is SegNet's; 0.5 is milder, between that and equal weights.

    Returns:
        `(C,)` weights; 1 for a class that never occurs.
    """
    pixels = counts[:, :-1].sum(0)
    around = (counts.sum(1)[:, None] * (counts[:, :-1] > 0)).sum(0)
    occurs = pixels > 0
    frequency = pixels[occurs] / around[occurs]
    weights = np.ones(len(pixels))
    weights[occurs] = np.minimum((np.median(frequency) / frequency) ** power, maximum)
    return weights


@DATA_SAMPLERS.register_module()
class ClassBalancedSampler(DefaultSampler):
    """Draws images of rare classes more often, in epochs of the same length.

    mmengine's `ClassBalancedDataset` repeats the images instead, each a whole number of times, so
    that epochs get longer and the schedule with them. Here an image's expected number of draws is
    its share of `image_weights`; which images are rounded up is drawn anew every epoch.

    Args:
        dataset: A `MaskDataset`, or repeats of one.
        threshold: Classes in fewer than this share of the images are rare.
        min_share: An image has a class if at least this share of its pixels is of it.
        seed: As for `DefaultSampler`.
        round_up: As for `DefaultSampler`.
    """

    def __init__(
        self,
        dataset: Any,
        threshold: float = 0.1,
        min_share: float = 0.001,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        for name, value in (("threshold", threshold), ("min_share", min_share)):
            if not 0 < value <= 1:
                raise InputError(f"ClassBalancedSampler: {name}={value}, allowed are 0 to 1")
        super().__init__(dataset, shuffle=True, seed=seed, round_up=round_up)
        weights = image_weights(_counts_of(dataset), threshold, min_share)
        self.weights = np.tile(weights, len(dataset) // len(weights))

    def __iter__(self) -> Iterator[int]:
        """Iterate over the indices of this process; all processes draw the same ones."""
        generator = torch.Generator()
        generator.manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.weights), generator=generator).numpy()
        # Systematic resampling: an image is drawn as often as its share says, rounded up or down.
        ends = np.cumsum(self.weights[order])
        ends *= self.total_size / ends[-1]
        start = torch.rand(1, generator=generator).item()
        places = np.searchsorted(ends, np.arange(self.total_size) + start, side="right")
        drawn = torch.from_numpy(order[places.clip(max=len(order) - 1)])
        drawn = drawn[torch.randperm(self.total_size, generator=generator)]
        return iter(drawn[self.rank :: self.world_size].tolist())


@HOOKS.register_module()
class ClassWeightsHook(Hook):
    """Weighs the classes in every cross-entropy of the model by `median_frequency`.

    Args:
        maximum: No class weighs more.
        power: 1 is SegNet's; 0.5 is milder, between that and equal weights.
    """

    def __init__(self, maximum: float = 10.0, power: float = 1.0) -> None:
        for name, value in (("maximum", maximum), ("power", power)):
            if not value > 0:
                raise InputError(f"ClassWeightsHook: {name}={value}, it must be above 0")
        self.maximum = maximum
        self.power = power

    def before_train(self, runner: Runner) -> None:
        """Set the weights from the training masks and log them."""
        dataset = runner.train_dataloader.dataset
        weights = median_frequency(_counts_of(dataset), self.maximum, self.power)
        for module in runner.model.modules():
            if isinstance(module, CrossEntropyLoss):
                module.class_weight = weights.tolist()
                # mmseg's weighted mean leaves ignored pixels out as it is, and fails with this.
                module.avg_non_ignore = False
        names = zip(dataset.metainfo["classes"], weights, strict=True)
        runner.logger.info("class weights: " + ", ".join(f"{n} {w:.2f}" for n, w in names))


def _counts_of(dataset: Any) -> np.ndarray:
    """Count the pixels in the masks of a data set; one process of several reads the files."""
    while not isinstance(dataset, MaskDataset) and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    if not isinstance(dataset, MaskDataset):
        raise InputError(f"class balance needs a MaskDataset, not {type(dataset).__name__}")
    masks = [dataset.get_data_info(index)["seg_map_path"] for index in range(len(dataset))]
    if not is_main_process():
        barrier()
    counts = count_pixels(masks, dataset.encoding)
    if is_main_process():
        barrier()
    return counts
