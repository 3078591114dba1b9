"""Loader workers and random states that follow from where a run is, not from what it drew."""

import os
import random
import signal
import threading
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.registry import FUNCTIONS
from torch.utils.data import get_worker_info

__all__ = ["SeededBatches", "obey_parent_only", "seed_all", "seed_worker"]


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seed numpy and `random` in a loader's worker from the seed torch gave it.

    torch draws that seed anew whenever an iterator over the loader is made, so each epoch has its
    own augmentations; mmengine's default `worker_init_fn` repeats the same ones every epoch.
    Of signals, it obeys its own main process alone: see `obey_parent_only`.
    """
    if get_worker_info() is not None:
        obey_parent_only()
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)


def obey_parent_only() -> None:
    """Let SIGINT and SIGTERM pass in a loader's worker, but for its parent's SIGTERM.

    A Ctrl-C, torchrun and cluster schedulers signal the whole process group; the main process then
    still needs its workers to finish a step. If it dies, torch's watchdog ends them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_for, args=(os.getppid(),), daemon=True).start()


def _end_for(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def seed_all(*numbers: int) -> None:
    """Seed `random`, numpy and torch (every CUDA device included) from non-negative integers."""
    seeds = [int(seed) for seed in np.random.SeedSequence(numbers).generate_state(3)]
    random.seed(seeds[0])
    np.random.seed(seeds[1])
    torch.manual_seed(seeds[2])


class SeededBatches:
    """A data set's `__getitems__`, by which torch's loaders read a batch, seeded for each batch.

    Whichever worker reads a batch, and whatever it has read before, the samples are the same.

    Args:
        dataset: The data set; the object is meant to be its attribute `__getitems__`.
        *numbers: Seeds besides the batch's indices, such as the run's seed and the epoch.
    """

    def __init__(self, dataset: Any, *numbers: int) -> None:
        self.dataset, self.numbers = dataset, numbers

    def __call__(self, indices: Sequence[Any]) -> list[Any]:
        """Return the samples at `indices`."""
        seed_all(*self.numbers, zlib.crc32(repr(list(indices)).encode()))
        read_batch = getattr(type(self.dataset), "__getitems__", None)
        if read_batch is not None:
            return read_batch(self.dataset, indices)
        return [self.dataset[index] for index in indices]
