"""Stop when the metric that chooses the best checkpoint no longer improves."""

import math
from typing import Any

from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from mnv4_vision.core.errors import InputError

__all__ = ["EarlyStopHook"]

STATE_KEY = "early_stop"


@HOOKS.register_module()
class EarlyStopHook(EarlyStoppingHook):
    """mmengine's `EarlyStoppingHook` on the metric of `save_best`, with a state that resumes.

    An equal metric is no improvement, as for the best checkpoint.

    Args:
        patience: Validations without improvement after which the training ends.
    """

    # Before CheckpointHook, which saves the state with the best checkpoint's epoch.
    priority = "LOW"

    def __init__(self, patience: int = 5) -> None:
        super().__init__(monitor="auto", rule="greater", min_delta=0.0, patience=patience)
        self.best_epoch = 0

    def before_train(self, runner: Runner) -> None:
        """Take the metric from the checkpoint hook, and the state from a checkpoint."""
        hook = next((h for h in runner.hooks if isinstance(h, CheckpointHook)), None)
        if runner.val_loop is None or hook is None or not hook.save_best:
            raise InputError("--early-stop needs a validation and checkpoint.save_best")
        self.monitor, rule = hook.key_indicators[0], hook.rules[0]
        self.rule = rule or "greater"
        self.best_score = -math.inf if self.rule == "greater" else math.inf
        state = runner.message_hub.runtime_info.get(STATE_KEY)
        if state is not None:
            self.wait_count, self.best_epoch = state["wait_count"], state["best_epoch"]
            self.best_score = state["best_score"]
            self._end_if_due(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Count this validation; end the training once too many brought nothing."""
        if not isinstance(runner._train_loop, BaseLoop) or not metrics:
            return
        name = next(iter(metrics)) if self.monitor == "auto" else self.monitor
        if name not in metrics:
            raise InputError(f"--early-stop: no metric {name}; there are {', '.join(metrics)}")
        score = metrics[name]
        if self.rule_map[self.rule](score, self.best_score):
            self.best_score, self.best_epoch, self.wait_count = float(score), runner.epoch, 0
        else:
            self.wait_count += 1
        state = dict(
            wait_count=self.wait_count, best_epoch=self.best_epoch, best_score=self.best_score
        )
        runner.message_hub.update_info(STATE_KEY, state)
        self.monitor = name
        self._end_if_due(runner)

    def _end_if_due(self, runner: Runner) -> None:
        if self.wait_count < self.patience:
            return
        runner.train_loop.stop_training = True
        runner.logger.info(
            f"early stop after epoch {runner.epoch}: {self.monitor} has not improved in the last "
            f"{self.wait_count} validations; the best is {self.best_score:.4g} of epoch "
            f"{self.best_epoch}"
        )
