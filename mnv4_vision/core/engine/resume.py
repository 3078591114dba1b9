"""A killed run that is resumed ends as if it had not been killed.

mmengine (0.10) resumes weights, optimiser, schedule and EMA, but no random state, skips a
validation that was killed, and overwrites checkpoints in place. See `ExactResumeHook`.
"""

import functools
from typing import Any

from mmengine.dataset import worker_init_fn as mmengine_worker_init_fn
from mmengine.dist import broadcast
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader, IterableDataset

from mnv4_vision.core.engine.accumulation import effective_batch
from mnv4_vision.core.engine.loop import TrainLoop, wrappers_of
from mnv4_vision.core.engine.seeding import SeededBatches, seed_all, seed_worker
from mnv4_vision.core.errors import InputError

__all__ = ["ExactResumeHook"]

STATE_KEY = "exact_resume"


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Makes a resumed run equal, bit for bit, to one that was never interrupted.

    - Every iteration and validation starts from random states that depend on seed, progress and
      rank alone: there is no state to save, and what other hooks draw in between changes nothing.
    - Every batch is read with random states that depend on seed, epoch, rank and its indices
      alone (`SeededBatches`): a checkpoint cannot hold the generators that live in workers.
      Persistent workers restart each epoch, to learn of the next.
    - A run that was interrupted within an epoch goes on at the batch that comes next.
    - The sampler keeps its seed. mmengine builds it before it reads the checkpoint, hence with a
      new seed where the config names none.
    - Buffers, such as BatchNorm's statistics and their average, become rank 0's on every rank,
      which are the ones in the checkpoint.
    - mmengine saves an epoch's checkpoint before the validation. If the run was killed before a
      checkpoint followed it, that validation runs again first (its metrics choose the best
      checkpoint and may steer schedules).

    Not exact: a loop by iterations, which resumes at the same data but with other augmentations,
    and data sets that remember what they have read, as mmdet's cached mosaic does.
    """

    # Last: it must undo what other hooks draw, and CheckpointHook must be ready to save a best.
    priority = "LOWEST"

    def __init__(self) -> None:
        self._resumed: dict[str, Any] | None = None
        self._batch = 0
        self._validated_iter = -1

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the state that `before_train` needs."""
        if runner._resume:
            self._resumed = checkpoint.get(STATE_KEY)
            _check_steps(runner, (self._resumed or {}).get("steps"))
            self._batch = checkpoint["meta"].get("batch", 0)
            batches = checkpoint["meta"].get("batches")
            if self._batch and batches != len(runner.train_dataloader):
                raise InputError(
                    f"the run was interrupted at batch {self._batch} of an epoch of {batches}, and "
                    f"this one has {len(runner.train_dataloader)}: resume with the same data, "
                    "--batch-size and number of processes"
                )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add what an update is, the sampler's seed, whether this validation is behind us."""
        checkpoint[STATE_KEY] = {
            "steps": _steps_of(runner),
            "sampler_seed": getattr(_sampler(runner.train_dataloader), "seed", None),
            "validated": runner.message_hub.get_info("loop_stage") == "val"
            or self._validated_iter == runner.iter,
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
        if self._batch:
            _start_within_epoch(runner, self._batch)
        elif not self._resumed["validated"] and _validation_due(runner):
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
        _seed_batches(loader, *_place(runner), runner.rank)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set every random state for this step."""
        seed_all(runner.seed, runner.iter, 2, runner.rank)

    def before_val_epoch(self, runner: Runner) -> None:
        """Set every random state for this validation, should its data or model be random."""
        if isinstance(runner._train_loop, BaseLoop):
            _use_seed_worker(runner.val_dataloader)
            _seed_batches(runner.val_dataloader, runner.seed, runner.rank)
            _share_buffers(runner)
            _seed(runner, stage=1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember that this epoch's validation is behind us."""
        if isinstance(runner._train_loop, BaseLoop):
            self._validated_iter = runner.iter


def _place(runner: Runner) -> tuple[int, int]:
    """The run's seed and how far it is: epochs, or iterations of a loop by iterations."""
    by_iter = isinstance(runner.train_loop, IterBasedTrainLoop)
    return runner.seed, runner.iter if by_iter else runner.epoch


def _steps_of(runner: Runner) -> dict[str, Any]:
    """What optimiser and schedule in a checkpoint are bound to."""
    wrapper = wrappers_of(runner.optim_wrapper)[0]
    rate = wrapper.param_groups[0].get("initial_lr")  # None without a schedule
    batches = len(runner.train_dataloader)
    return {"batch": str(effective_batch(runner, wrapper)), "lr": rate, "batches": batches}


def _check_steps(runner: Runner, saved: dict[str, Any] | None) -> None:
    """Refuse another batch or learning rate: the checkpoint's own would silently win."""
    if saved is None:  # of another hook, or an earlier version
        return
    planned = _steps_of(runner)
    for key, name in (("batch", "effective batch"), ("lr", "learning rate")):
        if saved[key] != planned[key]:
            raise InputError(
                f"the run to resume has the {name} {saved[key]}, this one {planned[key]}: resume "
                "with the same --batch-size, --accumulate, number of processes and learning rate, "
                "or start a new training with --pretrained and its checkpoint"
            )
    if saved["batches"] != planned["batches"]:
        runner.logger.warning(
            f"an epoch has {planned['batches']} steps now and had {saved['batches']}: the learning "
            "rate's schedule goes on as it was planned, in steps"
        )


def _seed(runner: Runner, stage: int) -> None:
    """Seed all generators from the run's seed, how far it is, its stage and the rank."""
    seed_all(*_place(runner), stage, runner.rank)


def _seed_batches(loader: DataLoader, *numbers: int) -> None:
    if not isinstance(loader.dataset, IterableDataset):
        loader.dataset.__getitems__ = SeededBatches(loader.dataset, *numbers)


def _start_within_epoch(runner: Runner, batch: int) -> None:
    if not isinstance(runner.train_loop, TrainLoop):
        raise InputError(
            f"the run was interrupted at batch {batch} of an epoch: train_cfg needs the type "
            f"TrainLoop to go on there, it has {type(runner.train_loop).__name__}"
        )
    runner.logger.info(f"going on at batch {batch + 1} of epoch {runner.epoch + 1}")
    runner.train_loop.first_batch = batch


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
