"""SSD's config: what of its head follows from the backbone, the neck and the image size."""

import logging

import torch
from mmdet.registry import TASK_UTILS
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import nn

from mnv4_vision.core.engine.contract import backbone_contract
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError

__all__ = ["follow_levels"]


def follow_levels(cfg: Config) -> None:
    """Set channels, strides and image size of an SSD head in `cfg`; other heads stay.

    An SSD head is one whose anchors take an `image_size` (`ScaledSSDAnchors`). Anchors with typed
    sizes, as in mmdet's own SSD configs, stay too, with a warning where they do not fit the image.

    Raises:
        InputError: An image size or levels that the anchors cannot have, a batch of one, a backbone
            or neck that does not say what it gives.
    """
    head = cfg.model.get("bbox_head") or {}
    anchors = head.get("anchor_generator") or {}
    if "image_size" in anchors:
        head.in_channels, strides = _levels(cfg)
        anchors.update(image_size=tuple(cfg.image_size), strides=strides)
        TASK_UTILS.build(anchors)  # refuses here, before the data are read, what it cannot do
    elif "max_sizes" in anchors and max(anchors.max_sizes) != max(cfg.image_size):
        print_log(
            f"the anchors' max_sizes are typed for {max(anchors.max_sizes)} px and do not follow "
            f"the image size {max(cfg.image_size)}",
            "current",
            logging.WARNING,
        )


def _levels(cfg: Config) -> tuple[list[int], list[int]]:
    """Return channels and nominal strides of the levels that the neck in `cfg` gives."""
    backbone = backbone_contract(cfg)
    with torch.device("meta"):
        neck = MODELS.build(cfg.model.neck)
    says = {"backbone": backbone is not None, "neck": hasattr(neck, "out_channels")}
    for part in (name for name, told in says.items() if not told):
        raise InputError(
            f"{step_name(cfg.model[part])} does not say what it gives, which ScaledSSDAnchors "
            "follow: use MobileNetV4 with SSDExtraLevels, or mmdet's SSDAnchorGenerator"
        )
    has_norm = any(isinstance(module, nn.BatchNorm2d) for module in neck.modules())
    batch_size = cfg.get("train_dataloader", {}).get("batch_size")
    if has_norm and batch_size == 1 and not cfg.get("sync_bn"):
        raise InputError(
            "batch size 1: SSD's last map has one pixel, of which batch norm has no statistics; "
            "use --batch-size 2 or more"
        )
    strides = list(backbone.strides)
    while len(strides) < len(neck.out_channels):
        strides.append(strides[-1] * 2)
    return list(neck.out_channels), strides
