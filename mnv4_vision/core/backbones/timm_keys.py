"""Renames parameters between timm's MobileNetV4 and ours: a table per kind of block, both ways.

Ours are `stem.*` and `stages.S.B.*` (a backbone) and `head.*` (a classifier); inside a larger model
the backbone's names carry a prefix such as `backbone.`.
"""

from collections.abc import Mapping

from torch import Tensor

from mnv4_vision.core.backbones.specs import MQA, UIB, Arch, Conv, Fused, get_arch
from mnv4_vision.core.errors import InputError

__all__ = ["from_timm", "layer_names", "to_timm"]

# ours -> timm; a name stands for everything below it
_OUTSIDE = {
    "stem.conv": "conv_stem",
    "stem.bn": "bn1",
    "head.hidden.conv": "conv_head",
    "head.hidden.bn": "norm_head",
    "head.fc": "classifier",
}
_CONV = {"conv": "conv", "bn": "bn1"}
_BLOCKS: dict[type, dict[str, str]] = {
    Conv: _CONV,
    Fused: {
        "expand.conv": "conv_exp",
        "expand.bn": "bn1",
        "project.conv": "conv_pwl",
        "project.bn": "bn2",
    },
    UIB: {
        "start_dw": "dw_start",
        "expand": "pw_exp",
        "middle_dw": "dw_mid",
        "project": "pw_proj",
        "layer_scale": "layer_scale",
    },
    MQA: {
        "norm": "norm",
        "attention.query": "attn.query.proj",
        "attention.key_dw.conv": "attn.key.down_conv",
        "attention.key_dw.bn": "attn.key.norm",
        "attention.key": "attn.key.proj",
        "attention.value_dw.conv": "attn.value.down_conv",
        "attention.value_dw.bn": "attn.value.norm",
        "attention.value": "attn.value.proj",
        "attention.output": "attn.output.proj",
        "layer_scale": "layer_scale",
    },
}


def layer_names(arch: str | Arch) -> dict[str, str]:
    """Map our layer names to timm's for one architecture."""
    arch = get_arch(arch)
    names = dict(_OUTSIDE)
    for stage, rows in enumerate(arch.stages):
        for block, row in enumerate(rows):
            for ours, timm in _BLOCKS[type(row)].items():
                names[f"stages.{stage}.{block}.{ours}"] = f"blocks.{stage}.{block}.{timm}"
    for ours, timm in _CONV.items():  # timm keeps the classifier's 960 convolution among the blocks
        names[f"head.expand.{ours}"] = f"blocks.{len(arch.stages)}.0.{timm}"
    return names


def to_timm(
    state_dict: Mapping[str, Tensor], arch: str | Arch, prefix: str = "backbone."
) -> dict[str, Tensor]:
    """Rename our parameters to timm's.

    Args:
        state_dict: Of a `MobileNetV4` or `MobileNetV4Classifier`.
        arch: Key of `ARCHS`, or an `Arch`.
        prefix: Dropped from the front of our names where it is there.

    Raises:
        InputError: A name is not one of this architecture's.
    """
    plain = {key.removeprefix(prefix): value for key, value in state_dict.items()}
    return _rename(plain, layer_names(arch))


def from_timm(
    state_dict: Mapping[str, Tensor], arch: str | Arch, prefix: str = ""
) -> dict[str, Tensor]:
    """Rename timm's parameters to ours.

    Args:
        state_dict: Of a timm MobileNetV4.
        arch: Key of `ARCHS`, or an `Arch`.
        prefix: Put in front of the backbone's names, for instance `backbone.`.

    Raises:
        InputError: A name is not one of this architecture's.
    """
    names = {timm: ours for ours, timm in layer_names(arch).items()}
    return {
        key if key.startswith("head.") else prefix + key: value
        for key, value in _rename(state_dict, names).items()
    }


def _rename(state_dict: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    renamed, unknown = {}, []
    for key, value in state_dict.items():
        layer = _longest_prefix(key, names)
        if layer is None:
            unknown.append(key)
        else:
            renamed[names[layer] + key[len(layer) :]] = value
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(state_dict)} parameters are not of this architecture, "
            f"such as {unknown[0]!r}: is it another arch?"
        )
    return renamed


def _longest_prefix(key: str, names: Mapping[str, str]) -> str | None:
    while "." in key:
        key = key.rpartition(".")[0]
        if key in names:
            return key
    return None
