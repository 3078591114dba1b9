"""Multiply-accumulates and parameters of a network."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["count_macs", "count_params"]


def count_macs(module: Callable[[Tensor], object], input_size: int | Sequence[int]) -> int:
    """Count multiply-accumulates of convolutions, linear layers and attention products.

    Runs on the meta device: no data, no time, and no CPU attention kernel that the counter misses.

    Args:
        module: Network, or a function of the input that closes over meta tensors only.
        input_size: Side, (H, W), (C, H, W) or (B, C, H, W); 3 channels and batch 1 by default.

    Returns:
        MACs of the whole input.
    """
    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    image = torch.empty((1, 3)[: 4 - len(size)] + size, device="meta")
    if isinstance(module, nn.Module):
        module = _on_meta(module)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(image)
    return counter.get_total_flops() // 2


def count_params(module: nn.Module, trainable_only: bool = False) -> int:
    """Count parameters; shared ones count once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable_only)


def _on_meta(module: nn.Module) -> nn.Module:
    """Copy the structure without the data; eval mode, and batch norms, which count 0, let through.

    Dispatching them would take half of the time.
    """
    copies: dict[int, Tensor] = {id(buffer): buffer.to("meta") for buffer in module.buffers()}
    for parameter in module.parameters():
        copies[id(parameter)] = nn.Parameter(parameter.to("meta"), requires_grad=False)
    on_meta = copy.deepcopy(module, copies).eval()
    for child in on_meta.modules():
        if isinstance(child, _BatchNorm):
            child.forward = _identity
    return on_meta


def _identity(x: Tensor) -> Tensor:
    return x
