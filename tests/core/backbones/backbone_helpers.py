"""A lively network: what the tests of this folder compare."""

import torch
from torch import nn

from mnv4_vision.core.backbones.layers import LayerScale


def images(batch: int, height: int, width: int) -> torch.Tensor:
    """Draw smooth blobs and noise: plain noise averages out in deep layers."""
    blobs = nn.functional.interpolate(torch.randn(batch, 3, 4, 4), (height, width), mode="bicubic")
    return blobs + 0.3 * torch.randn(batch, 3, height, width)


def make_lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give a fresh network layer scales that count and the BN statistics of real activations.

    As built, layer scale is 1e-5 and BN is the identity, so that almost any error stays invisible.
    """
    torch.manual_seed(seed)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LayerScale) or type(module).__name__ == "LayerScale2d":
                module.gamma.uniform_(0.3, 0.9)
        for norm in norms:
            norm.weight.uniform_(0.4, 0.8)
            norm.bias.normal_(0, 0.1)
            norm.momentum = 1.0
        model.train()(images(8, 64, 96))
        for norm in norms:  # a channel that hardly moved would amplify rounding without bound
            norm.running_var.clamp_(min=norm.running_var.mean())
            norm.momentum = 0.1
    return model.eval()
