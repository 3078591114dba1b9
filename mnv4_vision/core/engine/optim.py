"""Optimiser parts that mmengine lacks: weight decay in two groups, mixed precision on CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.parallel import unwrapped

__all__ = ["Bf16OptimWrapper", "DecayGroupsConstructor"]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DecayGroupsConstructor(DefaultOptimWrapperConstructor):
    """Decay matrices and kernels; leave one-dimensional parameters (norms, biases, scales) alone.

    MobileNetV4 trains so (its TF configurations exclude batch norm and bias). mmengine's default
    constructor can, but makes a group and a log line of every single parameter.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimiser of `model` (opened if it is wrapped for DDP)."""
        if self.paramwise_cfg:
            raise InputError(
                "optim_wrapper.paramwise_cfg is not read by DecayGroupsConstructor: remove it, or "
                "the constructor"
            )
        wrapper_cfg, optimizer_cfg = self.optim_wrapper_cfg.copy(), self.optimizer_cfg.copy()
        wrapper_cfg.setdefault("type", "OptimWrapper")
        trained = [p for p in unwrapped(model).parameters() if p.requires_grad]
        decayed = [p for p in trained if p.ndim > 1]
        plain = [p for p in trained if p.ndim <= 1]
        optimizer_cfg["params"] = [
            {"params": decayed},
            {"params": plain, "weight_decay": 0.0},
        ]
        print_log(
            f"{len(decayed)} tensors with weight decay {optimizer_cfg.get('weight_decay', 0)}, "
            f"{len(plain)} (norms, biases) without",
            "current",
        )
        optimizer = OPTIMIZERS.build(optimizer_cfg)
        return OPTIM_WRAPPERS.build(wrapper_cfg, default_args=dict(optimizer=optimizer))


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """Runs forward and loss under CPU bf16 autocast; mmengine's `AmpOptimWrapper` wants a GPU.

    bf16 keeps the exponents of fp32, so no loss scaling is needed.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast around what `train_step` computes."""
        with super().optim_context(model), torch.autocast("cpu", torch.bfloat16):
            yield
