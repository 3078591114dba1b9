"""The numbers of a run as JSON lines, which curves are drawn from."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook, LoggerHook
from mmengine.hooks.runtime_info_hook import _is_scalar
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop

from mnv4_vision.core.engine.curves import Row, draw_curves
from mnv4_vision.core.files import write_atomic

__all__ = ["HistoryHook", "read_history"]


@HOOKS.register_module()
class HistoryHook(Hook):
    """Writes `metrics.jsonl` and `curves.png` into the work dir.

    A row is `{"mode": "train" | "val", "epoch", "iter", ...}`: means of losses and times since the
    row before it and the current learning rate, or the metrics of a validation. After a resume,
    rows from beyond the checkpoint are dropped: but for its times, the file is that of a run which
    was never interrupted.

    Args:
        interval: Iterations between training rows; by default the `LoggerHook`'s.
        metrics: Validation metrics to draw, such as `("coco/bbox_mAP", "mIoU")`; by default the
            first six.
    """

    # After RuntimeInfoHook and IterTimerHook, which fill the message hub; before the checkpoint.
    priority = "BELOW_NORMAL"

    def __init__(self, interval: int | None = None, metrics: Sequence[str] | None = None) -> None:
        self.interval = interval
        self.metrics = metrics

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Start the file, or cut it back to the checkpoint that is resumed."""
        self.file = Path(runner.work_dir) / "metrics.jsonl"
        if self.interval is None:
            loggers = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)]
            self.interval = loggers[0] if loggers else 50
        rows = read_history(self.file) if runner._resume and self.file.is_file() else []
        self._write([row for row in rows if row["iter"] <= runner.iter])

    @master_only
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a row each `interval` iterations and at the end of an epoch."""
        since = batch_idx % self.interval + 1
        if since < self.interval and not self.end_of_epoch(runner.train_dataloader, batch_idx):
            return
        row = {"mode": "train", "epoch": runner.epoch + 1, "iter": runner.iter + 1}
        for name, buffer in runner.message_hub.log_scalars.items():
            if name.startswith("train/"):
                mean = "loss" in name or name.endswith("time")
                row[name[6:]] = buffer.mean(since) if mean else buffer.current()
        if torch.cuda.is_available():
            row["memory_mb"] = torch.cuda.max_memory_allocated() // 2**20
        with self.file.open("a") as file:
            file.write(_line(row))

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        """Write the metrics and draw the curves anew."""
        if not isinstance(runner._train_loop, BaseLoop):
            return  # a validation outside of training has no history
        scalars = {k: float(v) for k, v in (metrics or {}).items() if _is_scalar(v)}
        runner.message_hub.update_info("last_metrics", scalars)
        key = ("val", runner.iter)  # replaces its row where a resumed run validates again
        rows = [r for r in read_history(self.file) if (r["mode"], r["iter"]) != key]
        rows.append({"mode": "val", "epoch": _epoch(runner), "iter": runner.iter, **scalars})
        self._write(rows)
        self._draw(rows)

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Draw the finished curves."""
        self._draw(read_history(self.file))

    def _write(self, rows: list[Row]) -> None:
        write_atomic(self.file, "".join(map(_line, rows)).encode())

    def _draw(self, rows: list[Row]) -> None:
        write_atomic(self.file.with_name("curves.png"), draw_curves(rows, self.metrics))


def _epoch(runner: Runner) -> int:
    by_iter = isinstance(runner.train_loop, IterBasedTrainLoop)
    return runner.epoch + 1 if by_iter else runner.epoch


def _line(row: Row) -> str:
    """One JSON object; numbers that JSON lacks (nan, inf) become null."""
    finite = {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()
    }
    return json.dumps(finite) + "\n"


def read_history(file: str | Path) -> list[Row]:
    """Read `metrics.jsonl`; a last line that a kill cut short is left out."""
    rows = []
    for line in Path(file).read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
