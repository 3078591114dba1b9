"""A loss that is not a number stops the training before anything of it is saved."""

import math
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from mnv4_vision.core.engine.batch_dump import dump_batch, names_of, split_batch
from mnv4_vision.core.engine.saving import find_resume
from mnv4_vision.core.errors import InputError, join_names
from mnv4_vision.core.parallel import unwrapped

__all__ = ["LossGuardHook"]


@HOOKS.register_module()
class LossGuardHook(Hook):
    """Stops at the first loss that is NaN or infinite and saves the batch that gave it.

    Gradients are not looked at: mixed precision overflows them on purpose now and then. It costs
    nothing, as mmengine has brought the losses to the CPU for its log.
    """

    # After RuntimeInfoHook, which fills the message hub; before EMAHook, so that the averaged
    # weights are still good.
    priority = "HIGH"

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Raise InputError if a loss of this step is not finite."""
        scalars = runner.message_hub.log_scalars
        losses = {k: scalars[f"train/{k}"].current() for k in outputs or {} if "loss" in k}
        bad = {name: value for name, value in losses.items() if not math.isfinite(value)}
        if bad:
            raise InputError(_report(runner, bad, data_batch))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to save weights that are not finite: a gradient was not, and no loss told."""
        parameters = dict(unwrapped(runner.model).named_parameters())
        if not _is_finite(parameters.values()):
            name = next(n for n, p in parameters.items() if not _is_finite([p]))
            raise InputError(
                f"the weights hold NaN or Inf after iteration {runner.iter} (such as {name}), so "
                f"they were not saved{_resumable(runner)}. {_cures(runner)}"
            )


def _report(runner: Runner, bad: dict[str, float], data_batch: Any) -> str:
    """Save the batch; return the line for the user."""
    terms = [name for name in bad if name != "loss"] or list(bad)
    lr = runner.message_hub.get_scalar("train/lr").current()
    out = Path(runner.work_dir) / f"nan_iter_{runner.iter + 1}"
    alone = _losses_alone(runner, data_batch)
    dump_batch(out, runner, data_batch, alone)
    images = names_of(data_batch)
    guilty = [n for n, loss in zip(images, alone, strict=True) if not _fine(loss)]
    if len(guilty) == len(images) > 1:
        where = f", also for each of the {len(images)} images alone: the weights have diverged"
    else:
        where = (
            f", also for {join_names(guilty)} alone" if guilty else f"; images {join_names(images)}"
        )
    return (
        f"{', '.join(f'{n} is {bad[n]}' for n in terms)} at iteration {runner.iter + 1} (epoch "
        f"{runner.epoch + 1}, learning rate {lr:.3g}){where}; the batch is in {out}. Nothing of "
        f"it went into a checkpoint{_resumable(runner)}. {_cures(runner)}"
    )


def _losses_alone(runner: Runner, data_batch: Any) -> list[float | None]:
    """Return each image's own loss by the averaged weights, which this step has not reached.

    None where it cannot be told: there are no averaged weights, or they are spoilt too.
    """
    samples = split_batch(data_batch)
    average = next((h.ema_model.module for h in runner.hooks if isinstance(h, EMAHook)), None)
    model = unwrapped(runner.model) if average is None else average
    if not _is_finite(model.parameters()):
        return [None] * len(samples)
    model.eval()
    return [_loss_of(model, sample) for sample in samples]


@torch.no_grad()
def _loss_of(model: nn.Module, sample: Any) -> float | None:
    try:
        losses = model._run_forward(model.data_preprocessor(sample, True), mode="loss")
        return float(model.parse_losses(losses)[0])
    except Exception:  # whatever is wrong with this image, the report must not fail for it
        return None


def _fine(loss: float | None) -> bool:
    return loss is None or math.isfinite(loss)


def _is_finite(tensors: Any) -> bool:
    checks = [tensor.detach().isfinite().all() for tensor in tensors]
    return bool(torch.stack(checks).all()) if checks else True  # one transfer for all


def _resumable(runner: Runner) -> str:
    last = find_resume(runner.work_dir)
    return f": --resume goes on from {last.name} once the data is mended" if last else ""


def _cures(runner: Runner) -> str:
    """What to change, with numbers; as flags of a new training."""
    optimizer = (runner.cfg.get("optim_wrapper") or {}).get("optimizer") or {}
    cures = ["look at the pictures and annotations"]
    if "lr" in optimizer:
        lower = f"--cfg-options optim_wrapper.optimizer.lr={optimizer['lr'] / 4:.2g}"
        cures.append(f"train anew with a lower learning rate ({lower})")
    if type(runner.optim_wrapper) is not OptimWrapper:
        cures.append("train anew with --no-amp")
    return f"Cures: {'; '.join(cures)}"
