"""`--backbone`: another backbone in a config, with its weights; the rest follows from it."""

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from mnv4_vision.core.backbones import ARCHS
from mnv4_vision.core.backbones.timm_backbone import TimmBackbone, takes_output_stride
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.core.weights.catalogue import canonical, entries_for
from mnv4_vision.core.weights.timm_zoo import default_timm_weights, is_timm_model

__all__ = ["swap_backbone"]

# What both kinds of backbone count and mean alike.
_KEPT = ("out_indices", "output_stride", "frozen_stages", "norm_eval", "drop_path_rate", "with_cp")
# Customs of MobileNetV3's configs, kept where the new network can have them.
_CUSTOMS = ("expanded_c4", "halved_tail")


def swap_backbone(cfg: Config, name: str) -> None:
    """Replace the backbone of `cfg`; maps, output stride and stochastic depth stay.

    A config with pretrained weights gets the default ones of the new backbone, a config without
    none, and a config gets those of a tag that `name` has.

    Args:
        cfg: Unresolved config, changed in place.
        name: An architecture of `ARCHS` or a model of timm, with or without `.tag`.

    Raises:
        InputError: Unknown name; the config's own backbone counts its maps in another way.
    """
    old = cfg.model.backbone
    if step_name(old) not in ("MobileNetV4", "TimmBackbone"):
        raise InputError(
            f"--backbone {name}: the config has {step_name(old)}, whose maps are counted in "
            "another way; take a config with MobileNetV4 (*_mnv4_*.py)"
        )
    model, _, tag = canonical(name).partition(".")
    kept = {key: old[key] for key in _KEPT if key in old}
    customs = {key: old[key] for key in _CUSTOMS if old.get(key)}
    wants_weights = bool(tag or old.get("pretrained"))
    if model in ARCHS:
        weights = next((entry.name for entry in entries_for(model)), None)
        new = dict(type="mnv4_vision.core.backbones.MobileNetV4", arch=model)
        if "kv_reduction" in old:
            new["kv_reduction"] = old.kv_reduction
    elif is_timm_model(model):
        weights = default_timm_weights(model)
        new = dict(type="mnv4_vision.core.backbones.TimmBackbone", model_name=model)
        _reduce_output_stride(model, kept)
        if customs and _can_have(model, kept, customs):
            new, customs = new | customs, {}
    else:
        raise InputError(
            f"--backbone {name}: neither an architecture of MobileNetV4 ({', '.join(ARCHS)}) nor a "
            f"model of timm{did_you_mean(model, ARCHS)}"
        )
    if customs:
        print_log(f"{name} is without {' and '.join(customs)} of the config's backbone", "current")
    new["pretrained"] = (name if tag else weights) if wants_weights else None
    cfg.model.backbone = ConfigDict(new, **kept)


def _can_have(model: str, kept: dict, customs: dict) -> bool:
    try:
        with torch.device("meta"):
            TimmBackbone(model, **kept, **customs)
    except InputError:
        return False
    return True


def _reduce_output_stride(model: str, kept: dict) -> None:
    """Leave the output stride at 32 where timm has no other for this network, and say so."""
    stride = kept.get("output_stride", 32)
    if stride != 32 and not takes_output_stride(model, stride):
        print_log(f"timm's {model} has no output stride {stride}: it stays 32", "current")
        del kept["output_stride"]
