"""The losses on validation and test data, from the head's outputs that the prediction made."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mnv4_vision.core.parallel import unwrapped

__all__ = ["OutputLossHook"]

IMAGES, ANNOTATIONS = "images", "annotations"  # counts beside the sums of losses


class OutputLossHook(Hook, ABC):
    """Adds the losses, means over the images, to the metrics of a validation or test.

    The network runs once: what the head returned for the prediction also goes into its losses. A
    task says which head, and how. Where a batch takes several passes of the head, as with sliding
    windows, the metrics stay as they are.

    Args:
        max_images: of larger data sets take every n-th batch, for about so many images.
    """

    # Before RuntimeInfoHook, LoggerHook and HistoryHook, which pass the metrics on.
    priority = "HIGHEST"

    def __init__(self, max_images: int = 1000) -> None:
        self.max_images = max_images
        self._head: nn.Module | None = None
        self._outputs: Any = None
        self._passes = 0

    @abstractmethod
    def find_head(self, model: nn.Module, dataset: Any) -> nn.Module | None:
        """Return the head to listen to; None where its outputs are not all that its losses need."""

    @abstractmethod
    def losses(
        self, model: nn.Module, outputs: Any, samples: Sequence[Any]
    ) -> tuple[dict[str, Any], int]:
        """Return the loss terms of a batch, and of how many annotations they are.

        Args:
            model: The model.
            outputs: What its head returned, in float32: losses in half precision overflow.
            samples: The predicted samples, with their annotations.
        """

    def before_val_epoch(self, runner: Runner) -> None:
        """Start to listen to the head."""
        self._start(runner.model, runner.val_dataloader.dataset)

    def before_test_epoch(self, runner: Runner) -> None:
        """Start to listen to the head."""
        self._start(runner.model, runner.test_dataloader.dataset)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Add the losses of a batch."""
        if batch_idx % self._every == 0 and self._passes == 1 and outputs:
            self._add(self._outputs, outputs)
        self._outputs, self._passes = None, 0

    after_test_iter = after_val_iter

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the means to `metrics`, as `loss` and its parts."""
        self._stop()
        if metrics is None:
            return
        totals: dict[str, float] = defaultdict(float)
        # By name, as a process may have none, where all its pictures were left out.
        for sums in all_gather_object({name: float(value) for name, value in self._sums.items()}):
            for name, value in sums.items():
                totals[name] += value
        images, annotations = totals.pop(IMAGES, 0), totals.pop(ANNOTATIONS, 0)
        if annotations:
            metrics.update({name: value / images for name, value in totals.items()})

    after_test_epoch = after_val_epoch

    def _start(self, model: nn.Module, dataset: Any) -> None:
        self._sums: dict[str, Tensor | float] = defaultdict(float)
        self._every = ceil(len(dataset) / self.max_images)
        self._stop()  # where the validation before this one was broken off
        self._model = unwrapped(model)
        self._head = self.find_head(self._model, dataset)
        if self._head is not None:
            self._head.forward = self._listening(self._head.forward)

    def _listening(self, forward: Any) -> Any:
        # Not a forward hook: mmseg's heads call `self.forward`, which passes hooks by.
        def listening(*args: Any, **kwargs: Any) -> Any:
            self._outputs = forward(*args, **kwargs)
            self._passes += 1
            return self._outputs

        return listening

    def _stop(self) -> None:
        if self._head is not None:
            del self._head.forward  # the class's own is there again
        self._head, self._outputs, self._passes = None, None, 0

    @torch.no_grad()
    def _add(self, outputs: Any, samples: Sequence[Any]) -> None:
        losses, annotations = self.losses(self._model, _float(outputs), samples)
        if not losses:
            return
        values = self._model.parse_losses(losses)[1]
        for name, value in values.items():
            if "loss" in name:  # heads report accuracies beside them
                self._sums[name] += value.double() * len(samples)
        self._sums[IMAGES] += len(samples)
        self._sums[ANNOTATIONS] += annotations


def _float(outputs: Any) -> Any:
    """Return nested tensors in float32."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    return type(outputs)(map(_float, outputs))
