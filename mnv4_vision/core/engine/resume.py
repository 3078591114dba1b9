"""A killed run that is resumed ends as if it had not been killed.

mmengine (0.10) resumes weights, optimiser, schedule and EMA, but no random state, skips a
validation that was killed, and overwrites checkpoints in place. See `ExactResumeHook`.
"""

import functools
import random
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import worker_init_fn as mmengine_worker_init_fn
from mmengine.dist import broadcast, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.registry import FUNCTIONS, HOOKS
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from mnv4_vision.core.files import write_atomic
from mnv4_vision.core.torch_file import is_intact

__all__ = ["AtomicCheckpointHook", "ExactResumeHook", "find_resume", "seed_worker"]

STATE_KEY = "exact_resume"


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seed numpy and `random` in a loader's worker from the seed torch gave it.

    torch draws that seed anew whenever an iterator over the loader is made, so each epoch has its
    own augmentations; mmengine's default `worker_init_fn` repeats the same ones every epoch.
    """
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Makes a resumed run equal, bit for bit, to one that was never interrupted.

    - Every epoch and validation starts from random states that depend on seed, epoch and rank
      alone: there is no state to save, and what other hooks draw in between changes nothing.
    - Workers are seeded by `seed_worker`, and persistent ones restart each epoch: a checkpoint
      cannot hold the generators that live in them.
    - The sampler keeps its seed. mmengine builds it before it reads the checkpoint, hence with a
      new seed where the config names none.
    - Buffers, such as BatchNorm's statistics and their average, become rank 0's on every rank,
      which are the ones in the checkpoint.
    - mmengine saves an epoch's checkpoint before the validation. If the run was killed before a
      checkpoint followed it, that validation runs again first (its metrics choose the best
      checkpoint and may steer schedules).

    Exact to the epoch. A loop by iterations resumes at the same data, but its workers draw other
    augmentations.
    """

    # Last: it must undo what other hooks draw, and CheckpointHook must be ready to save a best.
    priority = "LOWEST"

    def __init__(self) -> None:
        self._resumed: dict[str, Any] | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the state that `before_train` needs."""
        if runner._resume:
            self._resumed = checkpoint.get(STATE_KEY)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the sampler's seed and whether this epoch's validation is behind us."""
        checkpoint[STATE_KEY] = {
            "sampler_seed": getattr(_sampler(runner.train_dataloader), "seed", None),
            "validated": runner.message_hub.get_info("loop_stage") == "val",
        }

    def before_train(self, runner: Runner) -> None:
        """Prepare the loader and make up for a validation that was killed."""
        _use_seed_worker(runner.train_dataloader)
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            runner.logger.warning("ExactResumeHook: loops by iteration resume approximately")
        if self._resumed is None:
            return
        if self._resumed["sampler_seed"] is not None:
            _sampler(runner.train_dataloader).seed = self._resumed["sampler_seed"]
        if not self._resumed["validated"] and _validation_due(runner):
            runner.logger.info(f"validating epoch {runner.epoch}, which the resumed run had not")
            runner.val_loop.run()
        self._resumed = None

    def before_train_epoch(self, runner: Runner) -> None:
        """Set every random state for this epoch."""
        loader = runner.train_dataloader
        if loader.persistent_workers:
            loader._iterator = None
        _share_buffers(runner)
        _seed(runner, stage=0)

    def before_val_epoch(self, runner: Runner) -> None:
        """Set every random state for this validation, should its data or model be random."""
        if isinstance(runner._train_loop, BaseLoop):
            _use_seed_worker(runner.val_dataloader)
            _share_buffers(runner)
            _seed(runner, stage=1)


def _seed(runner: Runner, stage: int) -> None:
    """Seed all generators from the run's seed, how far it is, its stage and the rank."""
    by_iter = isinstance(runner.train_loop, IterBasedTrainLoop)
    done = runner.iter if by_iter else runner.epoch
    sequence = np.random.SeedSequence([runner.seed, done, stage, runner.rank])
    seeds = [int(seed) for seed in sequence.generate_state(3)]
    random.seed(seeds[0])
    np.random.seed(seeds[1])
    torch.manual_seed(seeds[2])  # every CUDA device included


def _share_buffers(runner: Runner) -> None:
    averages = [hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook)]
    for module in (runner.model, *averages):
        for buffer in module.buffers():
            broadcast(buffer)  # nothing to do for a single process


def _sampler(loader: DataLoader) -> Any:
    """The sampler that draws indices; with a custom batch sampler it sits inside that one."""
    inner = getattr(loader.batch_sampler, "sampler", None)
    return loader.sampler if inner is None else inner


def _use_seed_worker(loader: DataLoader) -> None:
    default = loader.worker_init_fn
    if isinstance(default, functools.partial) and default.func is mmengine_worker_init_fn:
        loader.worker_init_fn = seed_worker


def _validation_due(runner: Runner) -> bool:
    """Whether the loop would have validated right after the epoch or iteration we resume from."""
    loop = runner.train_loop
    if runner.val_loop is None:
        return False
    by_iter = isinstance(loop, IterBasedTrainLoop)
    done, last = (loop.iter, loop.max_iters) if by_iter else (loop.epoch, loop.max_epochs)
    loop._decide_current_val_interval()
    return done > 0 and done >= loop.val_begin and (done % loop.val_interval == 0 or done == last)


class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written beside their place and renamed."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write `obj` to `filepath`, whole or not at all."""
        write_atomic(filepath, obj)


register_backend("atomic_local", AtomicLocalBackend, force=True)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's `CheckpointHook`, safe against a kill at any moment.

    A checkpoint appears under its name only when it is complete, and an outdated one is deleted
    only after that: with `max_keep_ckpts=1`, too, there is always one to resume from.

    Args:
        **kwargs: As for `mmengine.hooks.CheckpointHook`.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("backend_args", {"backend": "atomic_local"})
        super().__init__(**kwargs)

    def before_train(self, runner: Runner) -> None:
        """Remove what a run that was killed while it saved left half-written."""
        super().before_train(runner)
        if is_main_process():
            for leftover in Path(self.out_dir).glob(".*.pth.*.tmp"):
                leftover.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = self._keep(runner, step) if self.max_keep_ckpts > 0 else []
        limit, self.max_keep_ckpts = self.max_keep_ckpts, -1  # mmengine would delete first
        try:
            super()._save_checkpoint_with_step(runner, step, meta)
        finally:
            self.max_keep_ckpts = limit
        if is_main_process():
            for old in outdated:
                path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old))
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

    def _keep(self, runner: Runner, step: int) -> list[int]:
        """Note `step` as kept; return the steps that are then too many."""
        steps = [kept for kept in self.keep_ckpt_ids if kept != step] + [step]
        kept = steps[-self.max_keep_ckpts :]
        self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        runner.message_hub.update_info("keep_ckpt_ids", kept)
        return steps[: -self.max_keep_ckpts]


def find_resume(work_dir: str | Path) -> Path | None:
    """Return the newest intact checkpoint of a run, or None where there is none.

    The one that `last_checkpoint` names goes first, then the others by age. Best checkpoints hold
    no optimiser and do not count.
    """
    work_dir = Path(work_dir)
    files = [file for file in work_dir.glob("*.pth") if not file.name.startswith("best_")]
    files.sort(key=lambda file: file.stat().st_mtime_ns, reverse=True)
    pointer = work_dir / "last_checkpoint"
    if pointer.is_file() and (text := pointer.read_text().strip()):
        last = Path(text)
        # A work_dir that was moved: the pointer holds an absolute path of old.
        files.insert(0, last if last.is_file() else work_dir / last.name)
    return next((file for file in files if is_intact(file)), None)
