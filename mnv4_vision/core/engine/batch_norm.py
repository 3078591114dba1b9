"""BatchNorm on few images: say so, and keep a pretrained backbone's statistics on demand."""

from mmengine.config import Config
from mmengine.runner import Runner
from torch.nn import SyncBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm

from mnv4_vision.core.errors import InputError

__all__ = ["MIN_IMAGES", "freeze_statistics", "warn_of_small_batches"]

# Below this, batch statistics cost accuracy: Wu and He, Group Normalization (2018), figure 1,
# where BatchNorm's error grows from 8 images on and fast below 4.
MIN_IMAGES = 4


def freeze_statistics(cfg: Config) -> None:
    """Make the backbone's BatchNorm use its pretrained statistics while it trains."""
    if not cfg.model.backbone.get("pretrained"):
        raise InputError(
            "--freeze-bn keeps pretrained statistics, and this backbone has none: name weights "
            "with --pretrained, or leave it out"
        )
    cfg.model.backbone.norm_eval = True


def warn_of_small_batches(runner: Runner) -> None:
    """Warn where BatchNorm layers normalise fewer than `MIN_IMAGES` images at a time."""
    runner.model.train()
    norms = [m for m in runner.model.modules() if isinstance(m, _BatchNorm)]
    learning = [m for m in norms if m.training]
    images = getattr(runner.train_dataloader.batch_sampler, "batch_size", MIN_IMAGES)
    if learning and isinstance(learning[0], SyncBatchNorm):
        images *= runner.world_size
    if not learning or images >= MIN_IMAGES:
        return
    runner.logger.warning(
        f"{len(learning)} of {len(norms)} BatchNorm layers take their statistics from {images} "
        f"image{'s' if images > 1 else ''} at a time, which is noisy below {MIN_IMAGES}: use a "
        "larger --batch-size (--accumulate does not help here); or --freeze-bn with a pretrained "
        "backbone; or, on several GPUs, --cfg-options sync_bn=torch"
    )
