"""What running a checkpoint on single images needs, whatever the task."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from mnv4_vision.core.engine.prepare import RunOptions, prepare_config
from mnv4_vision.core.errors import InputError

__all__ = ["check_device", "check_image", "class_names", "resolved_config", "without_pretrained"]


def resolved_config(config: str | Path | Config) -> Config:
    """Resolve a config file as the tools do: it is then complete, normalisation included."""
    if isinstance(config, Config):
        return config
    return prepare_config(RunOptions(config=str(config)), splits=())[0]


def check_device(device: str) -> torch.device:
    """Return the device of that name.

    Raises:
        InputError: There is no such device.
    """
    try:
        checked = torch.device(device)
    except RuntimeError:
        raise InputError(f"unknown device {device!r}: use cpu, cuda or cuda:<number>") from None
    if checked.type == "cuda" and (checked.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {device!r}: this machine offers torch {torch.cuda.device_count()} CUDA "
            "devices; use cpu"
        )
    return checked


def check_image(image: np.ndarray) -> None:
    """Refuse an array that is no image.

    Raises:
        InputError: It is not `(H, W, 3)` uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            f"an image array must be (H, W, 3) uint8 in BGR order, got {image.shape} {image.dtype}"
        )


def without_pretrained(model: dict) -> dict:
    """Drop what would load other weights first, only for the checkpoint to replace them."""
    model = copy.deepcopy(model)
    for part in (model, model.get("backbone", {})):
        for key in ("pretrained", "init_cfg"):
            if key in part:
                part[key] = None
    return model


def class_names(meta: dict[str, Any], cfg: Config) -> tuple[str, ...]:
    """Return the classes of a checkpoint, or of the config's test data where it has none.

    Args:
        meta: The checkpoint's.
        cfg: Resolved config.

    Raises:
        InputError: Neither names them.
    """
    names = (meta.get("dataset_meta") or {}).get("classes")
    if names is None:
        dataset = cfg.test_dataloader.dataset
        names = (dataset.get("metainfo") or {}).get("classes")
    if names is None:
        raise InputError(
            "neither the checkpoint nor the config (test_dataloader.dataset.metainfo.classes) "
            "names the classes"
        )
    return tuple(names)
