"""Gradient checkpointing that leaves the BN statistics as one forward pass would."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

__all__ = ["recompute"]


def recompute(module: nn.Module, x: Tensor) -> Tensor:
    """Run `module(x)`; its activations are computed again in the backward pass."""
    return checkpoint(
        module,
        x,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _untouched_statistics(module)),
    )


@contextmanager
def _untouched_statistics(module: nn.Module) -> Iterator[None]:
    """Keep the second pass from moving running statistics and step counts once more."""
    saved = [
        (norm, norm.momentum, norm.num_batches_tracked)
        for norm in module.modules()
        if isinstance(norm, _BatchNorm) and norm.training
    ]
    for norm, _, _ in saved:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, steps in saved:
            norm.momentum, norm.num_batches_tracked = momentum, steps
