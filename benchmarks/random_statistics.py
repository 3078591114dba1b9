"""Running statistics of random networks, so that activations neither die out nor grow."""

import torch
from torch import Tensor, nn

__all__ = ["set_statistics"]


@torch.no_grad()
def set_statistics(model: nn.Module, images: Tensor) -> None:
    """Set the running statistics of every batch norm to those of `images` `(B, 3, H, W)`."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(images, mode="tensor")
    model.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        # A channel that hardly moves would amplify rounding without bound.
        norm.running_var.clamp_(min=0.1 * norm.running_var.mean())
