"""A progress line with the time left, in a terminal; log files and pipes see none of it."""

import atexit
import logging
import sys
import time
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

__all__ = ["ProgressHook"]

REFRESH_S = 0.2
WINDOW = 20  # steps that the rate is a mean of
_SHOWN = ("loss", "lr")


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows how far the run is, its loss, speed and time left below the log lines of a terminal.

    Where stderr is no terminal, and on every process but the first, it does nothing.
    """

    priority = "LOWEST"

    def __init__(self) -> None:
        self._bar: Any = None
        self._streams: list[tuple[logging.StreamHandler, Any]] = []
        self._drawn_at = 0.0

    def before_train(self, runner: Runner) -> None:
        """Open the bar of the whole training."""
        if self._open(runner):
            self._train = self._bar.add_task("train", total=runner.max_iters, completed=runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance the bar."""
        if self._bar is None or not self._time_to_draw(runner.iter + 1 == runner.max_iters):
            return
        text = f"epoch {runner.epoch + 1}/{runner.max_epochs}{_numbers(runner)}"
        self._bar.update(self._train, completed=runner.iter + 1, description=text)
        self._bar.refresh()

    def before_val_epoch(self, runner: Runner) -> None:
        """Open a bar for the images of the validation."""
        self._open_evaluation(runner, "validate", len(runner.val_dataloader))

    def before_test_epoch(self, runner: Runner) -> None:
        """Open a bar for the images of the test."""
        self._open_evaluation(runner, "test", len(runner.test_dataloader))

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance the validation's bar."""
        if self._bar is not None and self._time_to_draw():
            self._bar.update(self._evaluation, completed=batch_idx + 1)
            self._bar.refresh()

    after_test_iter = after_val_iter

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Take the validation's bar away."""
        if self._bar is not None:
            self._bar.remove_task(self._evaluation)

    after_test_epoch = after_val_epoch

    def after_run(self, runner: Runner) -> None:
        """Leave the terminal as it was."""
        self._close()

    def _open_evaluation(self, runner: Runner, name: str, batches: int) -> None:
        if self._open(runner):
            self._evaluation = self._bar.add_task(name, total=batches)

    def _time_to_draw(self, last: bool = False) -> bool:
        now = time.monotonic()
        if not last and now - self._drawn_at < REFRESH_S:
            return False
        self._drawn_at = now
        return True

    def _open(self, runner: Runner) -> bool:
        """Start the live display once; return whether there is one."""
        if self._bar is None and is_main_process() and sys.stderr.isatty():
            self._bar = _progress()
            self._bar.start()
            self._take_over(runner.logger)
            atexit.register(self._close)
        return self._bar is not None

    def _take_over(self, logger: logging.Logger) -> None:
        """Let log lines through rich, which prints them above the bar.

        rich has replaced `sys.stdout`, but the logger's handler kept the original.
        """
        for handler in logger.handlers:
            console = isinstance(handler, logging.StreamHandler) and not isinstance(
                handler, logging.FileHandler
            )
            if console and handler.stream.isatty():
                self._streams.append((handler, handler.stream))
                handler.setStream(sys.stdout)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            for handler, stream in self._streams:
                handler.setStream(stream)
            self._bar, self._streams = None, []
            atexit.unregister(self._close)


def _numbers(runner: Runner) -> str:
    """Loss, learning rate, images a second and GPU memory, as far as they are known."""
    scalars = runner.message_hub.log_scalars
    known = {name: scalars[f"train/{name}"] for name in _SHOWN if f"train/{name}" in scalars}
    text = "".join(f"  {name} {buffer.current():.4g}" for name, buffer in known.items())
    if "train/time" in scalars:
        images = getattr(runner.train_dataloader.batch_sampler, "batch_size", 1)
        rate = images * runner.world_size / scalars["train/time"].mean(WINDOW)
        text += f"  {rate:.3g} images/s"
    if torch.cuda.is_available():
        text += f"  {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    return text


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        # No refresh thread: a loader's worker that is forked while it draws would inherit its lock.
        auto_refresh=False,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
