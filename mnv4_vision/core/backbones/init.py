"""Initial weights, equal in distribution to timm's (and to TensorFlow's fan-out rule)."""

import math

from torch import nn

from mnv4_vision.core.backbones.attention import MultiQueryAttention

__all__ = ["initialize"]


def initialize(module: nn.Module) -> None:
    """Draw the weights of all layers below `module`; attention comes last, it has its own rule."""
    if next(module.parameters()).is_meta:
        return  # nothing to draw, and slow: counting and config checks build many models so
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, std=math.sqrt(2 * layer.groups / fan_out))
        elif isinstance(layer, nn.Linear):
            bound = layer.out_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)
    for layer in module.modules():
        if isinstance(layer, MultiQueryAttention):
            layer.reset_parameters()
