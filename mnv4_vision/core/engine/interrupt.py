"""Ctrl-C or SIGTERM ends a training at a point from which it can go on."""

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop

from mnv4_vision.core.engine.loop import is_updated, wrappers_of
from mnv4_vision.core.engine.saving import INTERRUPTED
from mnv4_vision.core.files import write_atomic

__all__ = ["InterruptHook", "TrainingInterrupted"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
REPEAT_S = 0.5  # a launcher may pass on a Ctrl-C which the terminal has already sent to us


class TrainingInterrupted(KeyboardInterrupt):
    """A signal ended the training after it had saved its state.

    Attributes:
        status: The exit status that shells expect, 128 and the signal's number.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.status = 128 + number


@HOOKS.register_module()
class InterruptHook(Hook):
    """Saves `interrupted_iter_N.pth` and stops when SIGINT or SIGTERM asks for it.

    In training the step is finished first, and with gradient accumulation the update; a validation
    is left at once, and runs again on resume. A second Ctrl-C quits without saving.

    Processes of a distributed training must stop at the same step: they compare notes every
    `sync_interval` steps, at the end of an epoch and after a validation, not within one.

    Args:
        sync_interval: Steps between two comparisons.
    """

    # Last: what it saves is the state after every other hook's part of the step.
    priority = "LOWEST"

    def __init__(self, sync_interval: int = 10) -> None:
        self.sync_interval = sync_interval
        self._received = 0
        self._received_at = 0.0
        self._previous: dict[int, Any] = {}

    def before_run(self, runner: Runner) -> None:
        """Catch the signals from here on, if this is a training in the main thread."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and isinstance(runner._train_loop, BaseLoop):
            self._owner, self._distributed = os.getpid(), runner.world_size > 1
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}

    def release(self) -> None:
        """Give the signals back to whom they belonged."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop here if a signal has come and no gradient would be lost."""
        batches = len(runner.train_dataloader)
        if is_updated(runner.optim_wrapper) and self._comes_to_stop(runner, batch_idx, batches):
            by_iter = isinstance(runner.train_loop, IterBasedTrainLoop)
            position = {} if by_iter else {"batch": batch_idx + 1, "batches": batches}
            self._stop(runner, runner.iter + 1, **position)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Leave a validation during training: what is saved is the state before it."""
        if self._received and self._previous and not self._distributed:
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook.after_val_epoch(runner)  # the training's weights take their place again
            runner.message_hub.update_info("loop_stage", "train")
            self._stop(runner, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Stop between two epochs if a signal has come."""
        if self._previous and self._agreed():
            self._stop(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Give the signals back."""
        self.release()

    def _comes_to_stop(self, runner: Runner, batch_idx: int, batches: int) -> bool:
        if not self._previous or not self._distributed:
            return bool(self._received)
        accumulated = max(w._accumulative_counts for w in wrappers_of(runner.optim_wrapper))
        steps = (batch_idx + 1) // accumulated
        due = steps % max(1, self.sync_interval // accumulated) == 0
        return (due or batch_idx + 1 == batches) and self._agreed()

    def _agreed(self) -> bool:
        """Whether any process has been asked to stop; each must call this at the same point."""
        if not self._distributed:
            return bool(self._received)
        agreed = torch.tensor(self._received)
        all_reduce(agreed, "max")
        if agreed:
            self._received = int(agreed)
        return bool(agreed)  # what came meanwhile counts the next time: the others do not know it

    def _stop(self, runner: Runner, iteration: int, **position: int) -> None:
        """Save the state after `iteration` steps and raise."""
        name = INTERRUPTED.format(iteration)
        hooks = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
        out_dir = next((hook.out_dir for hook in hooks), runner.work_dir)
        runner.save_checkpoint(
            out_dir,
            name,
            meta=dict(epoch=runner.epoch, iter=iteration, **position),
            backend_args={"backend": "atomic_local"},
        )
        file = Path(out_dir) / name
        if is_main_process():
            write_atomic(Path(runner.work_dir) / "last_checkpoint", str(file).encode())
            for older in Path(out_dir).glob(INTERRUPTED.format("*")):
                if older != file:
                    older.unlink()
        self.release()
        signal_name = signal.Signals(self._received).name
        raise TrainingInterrupted(
            f"{signal_name}: saved {file} after iteration {iteration} of {runner.max_iters}; the "
            "same command with --resume goes on from there",
            self._received,
        )

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            return  # a loader's forked worker: the main process decides
        again = self._received and time.monotonic() - self._received_at > REPEAT_S
        if again and number == signal.SIGINT and not self._distributed:
            self.release()
            raise KeyboardInterrupt
        if not self._received:
            self._received, self._received_at = number, time.monotonic()
            # Not print: a handler may interrupt the stream's own writing.
            name, text = signal.Signals(number).name, "finishing this step to save it"
            hint = "" if self._distributed else " (Ctrl-C again: quit without saving)"
            os.write(2, f"\n{name}: {text}{hint}\n".encode())
