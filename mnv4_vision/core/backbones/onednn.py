"""Convolutions as single oneDNN calls with weights packed ahead, for eager inference on CPUs.

Eager PyTorch reorders the weights of a convolution on every call and runs the activation on its
own. These are the private operators of torch (checked with 2.13) that inductor's freezing uses.
"""

import torch
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
        raise InputError("oneDNN packing needs a float32 network on the CPU; use onednn=False")
    packed: dict[nn.Module, PackedConv] = {}  # a shared convolution stays shared
    for module in list(model.modules()):
        act = module.act if isinstance(module, ConvNormAct) and module.bn is None else None
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and type(child).forward is nn.Conv2d.forward:
                ...
