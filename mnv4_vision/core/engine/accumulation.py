"""A large batch on a small device: gradients of several batches for one update."""

from collections.abc import Iterator
from dataclasses import dataclass

from mmengine.config import Config, ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from mnv4_vision.core.engine.task import step_name

__all__ = ["EffectiveBatch", "effective_batch", "set_accumulation"]


@dataclass(frozen=True)
class EffectiveBatch:
    """The images behind one update of the weights.

    Attributes:
        images: Of one process and step.
        processes: That train together.
        accumulated: Steps for an update.
    """

    images: int
    processes: int = 1
    accumulated: int = 1

    @property
    def size(self) -> int:
        """Images of an update."""
        return self.images * self.processes * self.accumulated

    def __str__(self) -> str:
        """The product and, where there is one, its factors."""
        if self.size == self.images:
            return str(self.size)
        processes = f"{self.processes} process{'es' if self.processes > 1 else ''}"
        accumulated = f" x {self.accumulated} accumulated" if self.accumulated > 1 else ""
        return f"{self.size} = {self.images} images x {processes}{accumulated}"


def effective_batch(runner: Runner, wrapper: OptimWrapper) -> EffectiveBatch:
    """Return what `wrapper` updates its weights from in the training of `runner`."""
    images = runner.train_dataloader.batch_sampler.batch_size
    return EffectiveBatch(images, runner.world_size, wrapper._accumulative_counts)


def set_accumulation(cfg: Config, steps: int) -> None:
    """Update the weights every `steps` batches only.

    The averaged weights (EMA) follow the updates, so that they average over as many images as with
    a batch which is as large.
    """
    before = cfg.optim_wrapper.get("accumulative_counts", 1)
    cfg.optim_wrapper.accumulative_counts = steps
    for hook in _averages(cfg):
        hook.interval = hook.get("interval", 1) * steps // before
        if "gamma" in hook:
            hook.gamma = hook.gamma * steps // before


def _averages(cfg: Config) -> Iterator[ConfigDict]:
    hooks = [*cfg.get("default_hooks", {}).values(), *(cfg.get("custom_hooks") or [])]
    return (hook for hook in hooks if hook and step_name(hook) == "EMAHook")
