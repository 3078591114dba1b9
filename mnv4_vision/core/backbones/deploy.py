"""The deployed form of a network: batch norm, layer scale and stochastic depth folded away."""

import copy
from collections import Counter
from functools import singledispatch

import torch
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import Conv2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mnv4_vision.core.backbones.attention import MobileAttention
from mnv4_vision.core.backbones.blocks import ResidualBlock
from mnv4_vision.core.backbones.fold import affine, fold_norm, new_parameter, scale_output
from mnv4_vision.core.backbones.layers import Conv2dSame, ConvNormAct
from mnv4_vision.core.backbones.onednn import pack_convolutions
from mnv4_vision.core.backbones.timm_backbone import TimmBackbone
from mnv4_vision.core.backbones.timm_fold import fold_timm, is_timm_conv

__all__ = ["deploy"]

# exact types: a subclass may compute with something else than its weight
_CONVS = (nn.Conv2d, Conv2d, Conv2dSame)


def deploy(model: nn.Module, *, channels_last: bool = True, onednn: bool = False) -> nn.Module:
    """Return a deployed copy of any module tree, such as a backbone or a whole detector.

    Folds BN into the convolution before it (in our blocks, mmcv's ConvModule and nn.Sequential;
    of a separable convolution into the pointwise one),
    the norm in front of an attention into its projections, and layer scale; of a
    `TimmBackbone` also the parallel branches that timm can join (MobileOne). A convolution that
    several owners share, as in RetinaSepBNHead, keeps its BN. Classes, feature contract and
    outputs (within rounding) stay. The copy is in eval mode and needs no gradients.

    Args:
        model: The trained network; it is not changed.
        channels_last: Let convolutions compute and return channels-last maps, which is faster on
            CPUs; the input may have either layout. False if a head calls `view` on its input.
        onednn: Also pack the weights for eager float32 inference on this CPU. Such a copy can
            neither be exported nor compiled.

    Raises:
        InputError: `onednn` where it cannot work.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    shared = _shared_convolutions(model)
    for module in reversed(list(model.modules())):  # children first
        _fold(module, shared)
    if channels_last:
        for module in model.modules():
            if type(module) in _CONVS or is_timm_conv(module):
                module.weight.data = module.weight.contiguous(memory_format=torch.channels_last)
    if onednn:
        pack_convolutions(model)
    return model


def _shared_convolutions(model: nn.Module) -> set[nn.Module]:
    """Find the convolutions whose weight is used in more than one place.

    Every path counts: owners may share a convolution inside of a sequence that they share.
    """
    paths = model.named_modules(remove_duplicate=False)
    convs = [module for _, module in paths if type(module) in _CONVS]
    uses = Counter(id(conv.weight) for conv in convs)
    return {conv for conv in convs if uses[id(conv.weight)] > 1}


@singledispatch
def _fold(module: nn.Module, shared: set[nn.Module]) -> None:
    """Fold what this kind of module holds; its children are folded already."""


@_fold.register
def _(module: ConvNormAct, shared: set[nn.Module]) -> None:
    if _foldable(module.conv, module.bn, shared):
        fold_norm(module.conv, module.bn)
        module.bn = None


@_fold.register
def _(module: ConvModule, shared: set[nn.Module]) -> None:
    conv_then_norm = "conv norm" in " ".join(module.order)
    if not module.with_norm or not conv_then_norm or module.with_spectral_norm:
        return
    conv = _output_layer(module.conv)
    if _foldable(conv, module.norm, shared):
        fold_norm(conv, module.norm)
        delattr(module, module.norm_name)
        module.with_norm = False


@_fold.register
def _(module: nn.Sequential, shared: set[nn.Module]) -> None:
    for index in range(1, len(module)):
        if _foldable(module[index - 1], module[index], shared):
            fold_norm(module[index - 1], module[index])
            module[index] = nn.Identity()


@_fold.register
def _(module: TimmBackbone, shared: set[nn.Module]) -> None:
    fold_timm(module.model)


@_fold.register
def _(module: ResidualBlock, shared: set[nn.Module]) -> None:
    module.drop_path = None
    if module.layer_scale is not None:
        scale_output(_last_convolution(module), module.layer_scale.gamma)
        module.layer_scale = None
    if isinstance(module, MobileAttention):
        _fold_attention_norm(module)


def _fold_attention_norm(block: MobileAttention) -> None:
    """Fold the norm into the projections, unless zero padding comes between them."""
    attention = block.attention
    if attention.key_dw is not None or block.norm is None:  # None: deployed before
        return
    scale, shift = affine(block.norm)
    for conv in (attention.query, attention.key, attention.value):
        weight = conv.weight.double()
        conv.bias = new_parameter(weight.flatten(1) @ shift, conv.weight)
        conv.weight = new_parameter(weight * scale[:, None, None], conv.weight)
    block.norm = None


def _last_convolution(block: ResidualBlock) -> nn.Conv2d:
    if isinstance(block, MobileAttention):
        return block.attention.output
    assert block.project.bn is None
    return block.project.conv


def _output_layer(conv: nn.Module) -> nn.Module:
    """Return what computes the output: of a sequence, such as a separable convolution, the last."""
    is_plain = isinstance(conv, nn.Sequential) and type(conv).forward is nn.Sequential.forward
    return conv[-1] if is_plain else conv


def _foldable(conv: nn.Module, bn: nn.Module | None, shared: set[nn.Module]) -> bool:
    return (
        type(conv) in _CONVS
        and conv not in shared
        and isinstance(bn, _BatchNorm)
        and bn.running_mean is not None
    )
