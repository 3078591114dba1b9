"""What the checks of the data have in common, whatever the task."""

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from mmengine.config import Config, ConfigDict

from mnv4_vision.core.engine.task import datasets_of, step_name
from mnv4_vision.core.errors import InputError

__all__ = ["check_steps", "distinct", "refuse_one_image", "skips_bad_images", "split_name"]

Files = TypeVar("Files")


def split_name(split: str) -> str:
    """Return "train" or "val": validation and test count as one."""
    return "train" if split == "train" else "val"


def skips_bad_images(dataset: ConfigDict) -> bool:
    """Whether the pipeline of a data set goes on where an image cannot be read."""
    policies = (step.get("on_error", "stop") for step in dataset.pipeline)
    return any(policy != "stop" for policy in policies)


def distinct(read: Mapping[str, Files], identity: Callable[[Files], Any]) -> dict[str, Files]:
    """Leave out a val split that is the train split on purpose: `--overfit`."""
    first = next(iter(read.values()))
    return {
        split: files
        for split, files in read.items()
        if files is first or identity(files) != identity(first)
    }


def check_steps(cfg: Config, total: int, source: Any) -> int:
    """Return the images of an epoch; raise where they fill no batch: there would be no step.

    Args:
        cfg: Resolved config.
        total: Training images that there are.
        source: Their file or folder, for the message.
    """
    (train,) = datasets_of(cfg, ("train",))
    indices = train.get("indices")
    if indices is not None:
        total = min(total, indices if isinstance(indices, int) else len(indices))
    images = total * cfg.train_dataloader.dataset.get("times", 1)
    step = cfg.train_dataloader.batch_size * _ranks()
    if images < step:
        raise InputError(
            f"{source} has {images} train images, one step takes {step}: pass a smaller "
            "--batch-size"
        )
    return images


def refuse_one_image(
    cfg: Config, images: int, heads: Mapping[str, ConfigDict], pooling: Collection[str]
) -> None:
    """Raise where torch's batch norm would have a single value for each channel.

    Args:
        cfg: Resolved config.
        images: Of an epoch.
        heads: Configs by their keys in `cfg.model`.
        pooling: Names of heads with a batch norm behind a global pooling.
    """
    loader = cfg.train_dataloader
    last = -(-images // _ranks()) % loader.batch_size
    alone = loader.batch_size == 1 or (last == 1 and not loader.get("drop_last"))
    if not alone or cfg.get("sync_bn"):
        return
    fix = (
        "pass --batch-size 2 or more"
        if loader.batch_size == 1
        else "set train_dataloader.drop_last=True: its last batch has one image"
    )
    for key, head in heads.items():
        if step_name(head) in pooling:
            raise InputError(
                f"model.{key} ({step_name(head)}) normalises a map pooled to one pixel, which "
                f"takes two images at a time: {fix}"
            )


def _ranks() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))
