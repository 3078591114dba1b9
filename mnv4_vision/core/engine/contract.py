"""What backbone and neck of a config give: channels and strides of their maps."""

from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from mnv4_vision.core.errors import InputError

__all__ = ["BackboneContract", "backbone_contract", "head_contract"]


@dataclass(frozen=True)
class BackboneContract:
    """The maps that a backbone returns.

    Attributes:
        out_channels: Channels of each map.
        strides: Pixels of the image to one of each map, rising.
    """

    out_channels: tuple[int, ...]
    strides: tuple[int, ...]


def backbone_contract(cfg: Config) -> BackboneContract | None:
    """Return what the backbone in `cfg.model` gives, or None where it does not say.

    The backbone is built without weights or memory. OpenMMLab's own backbones do not say; some of
    them have `strides` of another meaning, those of their stages, hence both are asked for.

    Raises:
        InputError: The backbone refuses its settings.
    """
    settings = dict(cfg.model.backbone)
    if "pretrained" in settings:
        settings["pretrained"] = None
    try:
        with torch.device("meta"):
            backbone = MODELS.build(settings)
    except InputError as error:
        raise InputError(f"config {cfg.filename}, model.backbone: {error}") from error
    if not (hasattr(backbone, "out_channels") and hasattr(backbone, "strides")):
        return None
    return BackboneContract(tuple(backbone.out_channels), tuple(backbone.strides))


def head_contract(cfg: Config) -> BackboneContract | None:
    """Return what the heads of `cfg.model` read: the neck's maps, without one the backbone's.

    A neck says the channels of its maps in a tuple `out_channels`; their strides are those of the
    backbone's first maps. None where either part does not say.
    """
    backbone = backbone_contract(cfg)
    if backbone is None or not cfg.model.get("neck"):
        return backbone
    with torch.device("meta"):
        channels = getattr(MODELS.build(cfg.model.neck), "out_channels", None)
    if not isinstance(channels, tuple):
        return None
    return BackboneContract(channels, backbone.strides[: len(channels)])
