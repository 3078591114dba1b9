"""Arithmetic of folding: a batch norm or a scale into the convolution before it, in float64."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["affine", "fold_norm", "new_parameter", "scale_output"]


def fold_norm(conv: nn.Conv2d, bn: _BatchNorm) -> None:
    """Give `conv` the weight and the bias that compute `bn` in eval mode too."""
    scale, shift = affine(bn)
    scale_output(conv, scale)
    bias = shift if conv.bias is None else conv.bias + shift
    conv.bias = new_parameter(bias, conv.weight)


def scale_output(conv: nn.Conv2d, scale: Tensor) -> None:
    """Multiply the output channels of `conv` by `scale` (C,)."""
    conv.weight = new_parameter(conv.weight * scale.double()[:, None, None, None], conv.weight)
    if conv.bias is not None:
        conv.bias = new_parameter(conv.bias * scale.double(), conv.weight)


def affine(bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Return scale and shift of a batch norm in eval mode, in float64."""
    scale = (bn.running_var.double() + bn.eps).rsqrt()
    if bn.weight is not None:
        scale = scale * bn.weight
    shift = -bn.running_mean * scale
    return scale, shift if bn.bias is None else shift + bn.bias


def new_parameter(value: Tensor, like: Tensor) -> nn.Parameter:
    """Return `value` as a parameter without gradient, of the type of `like`."""
    return nn.Parameter(value.to(like.dtype), requires_grad=False)
