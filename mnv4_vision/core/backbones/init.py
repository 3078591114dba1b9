"""Initial weights: convolutions as timm (TensorFlow's fan-out rule), classifiers as TensorFlow."""

import math

from torch import nn

from mnv4_vision.core.backbones.attention import MultiQueryAttention

__all__ = ["draw_classifier", "initialize"]

# Of TensorFlow's ClassificationModel ("random_uniform"). timm's 1 / sqrt(classes) is 0.32 for ten
# classes: logits of several units and a loss three times log(10) at the start.
CLASSIFIER_BOUND = 0.05


def initialize(module: nn.Module) -> None:
    """Draw the weights of all layers below `module`; attention comes last, it has its own rule."""
    if next(module.parameters()).is_meta:
        return  # nothing to draw, and slow: counting and config checks build many models so
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, std=math.sqrt(2 * layer.groups / fan_out))
        elif isinstance(layer, nn.Linear):
            draw_classifier(layer)
    for layer in module.modules():
        if isinstance(layer, MultiQueryAttention):
            layer.reset_parameters()


def draw_classifier(layer: nn.Linear) -> None:
    """Draw the weights of a classifier's last layer."""
    nn.init.uniform_(layer.weight, -CLASSIFIER_BOUND, CLASSIFIER_BOUND)
    nn.init.zeros_(layer.bias)
