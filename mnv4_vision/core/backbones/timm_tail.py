"""MobileNetV3's customs in detection and segmentation: what is behind C4 of a timm network.

Arguments of these functions are timm's networks of inverted residuals with `features_only`.
"""

import math

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mnv4_vision.core.errors import InputError

__all__ = ["expansion_behind", "halve_behind"]


def expansion_behind(network: nn.Module, c4: str) -> tuple[nn.Module, int]:
    """Return the layer whose output is the expanded map of the block behind C4, and its width.

    Args:
        network: timm's.
        c4: Name of the stage that ends with C4.
    """
    first = _blocks_behind(network, c4)[0]
    return first.bn1, first.conv_pw.out_channels


def halve_behind(network: nn.Module, c4: str, *, keep_expansion: bool) -> None:
    """Halve the channels of all layers behind C4, up to C5, in place.

    Initial weights are distributed as timm draws them for the halved widths.

    Args:
        network: timm's.
        c4: Name of the stage that ends with C4.
        keep_expansion: The first block's expansion is C4 itself, as in TensorFlow's detectors
            (`V3_LARGE_DETECTION`). Halved too, the parameters are those of the paper's segmenters.
    """
    first, *others = _blocks_behind(network, c4)
    if keep_expansion:
        _halve(first.conv_pwl, inputs=False)
        _halve(first.bn3)
    else:
        _halve(first.conv_pw, inputs=False)
        others = [module for name, module in first.named_children() if name != "conv_pw"] + others
    for part in others:
        for module in part.modules():
            _halve(module)


def _blocks_behind(network: nn.Module, c4: str) -> list[nn.Module]:
    stages, _, index = c4.rpartition(".")
    behind = getattr(network, stages, ())[int(index) + 1 :] if stages else ()
    blocks = [block for stage in behind for block in stage]
    if not blocks or not all(hasattr(blocks[0], name) for name in ("conv_pw", "bn1", "conv_pwl")):
        raise InputError("its block behind C4 is not an inverted residual, as of MobileNetV3")
    return blocks


def _halve(module: nn.Module, inputs: bool = True) -> None:
    if isinstance(module, nn.Conv2d):
        _halve_convolution(module, inputs)
    elif isinstance(module, _BatchNorm):
        module.num_features = _half(module.num_features)
        for name in ("weight", "bias", "running_mean", "running_var"):
            _cut(module, name, module.num_features)


def _halve_convolution(conv: nn.Conv2d, inputs: bool) -> None:
    conv.out_channels = _half(conv.out_channels)
    if inputs:
        conv.in_channels = _half(conv.in_channels)
    _cut(conv, "bias", conv.out_channels)
    if conv.groups > 1:  # depthwise
        conv.groups = _half(conv.groups)
        _cut(conv, "weight", conv.out_channels)
    else:
        _cut(conv, "weight", conv.out_channels, conv.in_channels)
        with torch.no_grad():
            conv.weight.mul_(math.sqrt(2))  # timm's variance is 2 / fan-out


def _half(channels: int) -> int:
    if channels % 2:
        raise InputError(f"it has a layer of {channels} channels, which has no half")
    return channels // 2


def _cut(module: nn.Module, name: str, *sizes: int) -> None:
    """Keep the first entries of a parameter or buffer along its first dimensions."""
    tensor = getattr(module, name)
    if tensor is None:
        return
    kept = tensor.detach()[tuple(map(slice, sizes))].clone()
    is_parameter = isinstance(tensor, nn.Parameter)
    setattr(module, name, nn.Parameter(kept) if is_parameter else kept)
