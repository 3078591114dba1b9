"""A model that is trained in several processes is wrapped; most code wants what is inside."""

from mmengine.model import is_model_wrapper
from torch import nn

__all__ = ["unwrapped"]


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside DDP or another of mmengine's wrappers, or `model` itself."""
    return model.module if is_model_wrapper(model) else model
