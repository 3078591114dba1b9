"""Convolutions as single oneDNN calls with weights packed ahead, for eager inference on CPUs.

Eager PyTorch reorders the weights of a convolution on every call and runs the activation on its
own. These are the private operators of torch (checked with 2.13) that inductor's freezing uses.
"""

import torch
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import Conv2d
from torch import Tensor, nn

from mnv4_vision.core.backbones.layers import ConvNormAct
from mnv4_vision.core.errors import InputError

__all__ = ["PackedConv", "pack_convolutions"]

# activation: name and arguments of the fused operation
_FUSED = {
    type(None): ("none", [], ""),
    nn.ReLU: ("relu", [], ""),
    nn.ReLU6: ("hardtanh", [0.0, 6.0], ""),
    nn.GELU: ("gelu", [], "none"),
}
_MAX_SHAPES = 8  # the levels of a pyramid; every further shape costs one more copy of the weights


class PackedConv(nn.Module):
    """A convolution and its activation in one call; packs once for every input shape.

    Args:
        conv: Convolution with zero padding, float32, on the CPU.
        act: One of `_FUSED`.
    """

    def __init__(self, conv: nn.Conv2d, act: nn.Module | None = None) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self._geometry = [*map(list, (conv.padding, conv.stride, conv.dilation)), conv.groups]
        self._fused = _FUSED[type(act)]
        self._packed: dict[torch.Size, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H', W')."""
        weight = self._packed.get(x.shape)
        if weight is None:
            weight = self._pack(x.shape)
        return torch.ops.mkldnn._convolution_pointwise.default(
            x, weight, self.bias, *self._geometry, *self._fused
        )

    def _pack(self, shape: torch.Size) -> Tensor:
        if len(self._packed) == _MAX_SHAPES:
            self._packed.pop(next(iter(self._packed)))
        pack = torch.ops.mkldnn._reorder_convolution_weight
        self._packed[shape] = pack(self.weight, *self._geometry, list(shape))
        return self._packed[shape]


def pack_convolutions(model: nn.Module) -> None:
    """Replace the plain convolutions of a deployed network in place.

    Raises:
        InputError: The network is not float32 on a CPU, or torch was built without oneDNN.
    """
    kinds = {(p.device.type, p.dtype) for p in model.parameters()}
    if kinds != {("cpu", torch.float32)} or not torch.backends.mkldnn.is_available():
        raise InputError("oneDNN packing needs a float32 network on a CPU; use onednn=False")
    packed: dict[nn.Module, PackedConv] = {}  # a shared convolution stays shared
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if not _is_plain(child):
                continue
            if isinstance(module, ConvNormAct) and module.bn is None:
                setattr(module, name, PackedConv(child, module.act))
                module.act = None
            elif isinstance(module, ConvModule) and _is_conv_act(module):
                setattr(module, name, PackedConv(child, module.activate))
                module.with_activation = False
            else:
                setattr(module, name, packed.setdefault(child, PackedConv(child)))


def _is_plain(module: nn.Module) -> bool:
    zero_padded = isinstance(module, nn.Conv2d) and module.padding_mode == "zeros"
    return (
        zero_padded and type(module) in (nn.Conv2d, Conv2d) and not isinstance(module.padding, str)
    )


def _is_conv_act(module: ConvModule) -> bool:
    """Whether the activation, of a kind that fuses, is all that follows the convolution."""
    follows = "conv act" in " ".join(kind for kind in module.order if kind != "norm")
    fuses = module.with_activation and type(module.activate) in _FUSED
    return fuses and follows and not module.with_norm
