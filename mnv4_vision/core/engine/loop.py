"""mmengine's training loop, able to start in the middle of an epoch."""

from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from mnv4_vision.core.engine.batch_norm import warn_of_small_batches

__all__ = ["TrainLoop", "is_updated", "wrappers_of"]


@LOOPS.register_module()
class TrainLoop(EpochBasedTrainLoop):
    """Epochs that can be entered at any batch, and that end with an update of the weights.

    mmengine 0.10 starts every epoch at its first batch, and accumulates gradients across the end
    of an epoch, where a checkpoint loses them. Here the last step of an epoch takes what has
    accumulated, with its own divisor.

    Attributes:
        first_batch: Where the next epoch starts: 0, but for a run resumed within one.
    """

    first_batch = 0

    def run(self) -> nn.Module:
        """Train, after a word on BatchNorm where batches are very small."""
        warn_of_small_batches(self.runner)
        return super().run()

    def run_epoch(self) -> None:
        """Run one epoch, or what is left of it."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        first, self.first_batch = self.first_batch, 0
        self._count_from(first)
        for idx, data_batch in enumerate(_batches(self.dataloader, first), first):
            self.run_iter(idx, data_batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _count_from(self, first: int) -> None:
        """Count the batches to accumulate anew, in this epoch alone."""
        total = len(self.dataloader)
        for wrapper in wrappers_of(self.runner.optim_wrapper):
            wrapper._inner_count, wrapper._max_counts = first, total
            wrapper._remainder_counts = total % wrapper._accumulative_counts


def wrappers_of(wrapper: OptimWrapper | OptimWrapperDict) -> list[OptimWrapper]:
    """Return the optimiser wrapper, or those of a dict."""
    return list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]


def is_updated(wrapper: OptimWrapper | OptimWrapperDict) -> bool:
    """Whether no gradient waits to be added to others: nothing that a checkpoint would lose."""
    return all(single.should_update() for single in wrappers_of(wrapper))


def _batches(loader: DataLoader, first: int) -> Iterator[Any]:
    """Iterate over `loader` from its batch `first` on; what is before is not read."""
    if first == 0:
        return iter(loader)
    if first >= len(loader):
        return iter(())
    rest = DataLoader(
        loader.dataset,
        batch_sampler=_Rest(loader.batch_sampler, first),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
    )
    return iter(rest)


class _Rest:
    """A batch sampler without its first batches."""

    def __init__(self, batch_sampler: Any, first: int) -> None:
        self.batch_sampler, self.first = batch_sampler, first

    def __iter__(self) -> Iterator[Any]:
        for position, batch in enumerate(self.batch_sampler):
            if position >= self.first:
                yield batch

    def __len__(self) -> int:
        return len(self.batch_sampler) - self.first
