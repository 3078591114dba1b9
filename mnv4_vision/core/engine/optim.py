"""Optimiser parts that mmengine lacks: weight decay in two groups, mixed precision on CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
        model = unwrapped(model)
        scales = self._learning_rate_scales(model)
        wrapper_cfg, optimizer_cfg = self.optim_wrapper_cfg.copy(), self.optimizer_cfg.copy()
        wrapper_cfg.setdefault("type", "OptimWrapper")
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        optimizer_cfg["params"] = []
        # The whole rate goes first: mmengine logs and scales by the first group's.
        for scale in sorted({scales.get(name, 1.0) for name in trained}, reverse=True):
            same = [p for name, p in trained.items() if scales.get(name, 1.0) == scale]
            optimizer_cfg["params"] += self._groups(same, scale)
        optimizer = OPTIMIZERS.build(optimizer_cfg)
        return OPTIM_WRAPPERS.build(wrapper_cfg, default_args=dict(optimizer=optimizer))

    def _learning_rate_scales(self, model: nn.Module) -> dict[str, float]:
        """Return the factors of the learning rate that are not 1, by the names of parameters."""
        if self.paramwise_cfg:
            raise InputError(
                "optim_wrapper.paramwise_cfg is not read by DecayGroupsConstructor: remove it, or "
                "the constructor"
            )
        return {}

    def _groups(self, parameters: list[nn.Parameter], scale: float) -> list[dict[str, Any]]:
        """Make the two groups of the parameters that have this factor, and log them."""
        decayed = [p for p in parameters if p.ndim > 1]
        plain = [p for p in parameters if p.ndim <= 1]
        rate = {} if scale == 1 else {"lr": scale * self.base_lr}
        print_log(
            f"{f'learning rate x {scale:.4g}: ' if rate else ''}{len(decayed)} tensors with weight "
            f"decay {self.base_wd or 0}, {len(plain)} (norms, biases) without",
            "current",
        )
        return [{"params": decayed, **rate}, {"params": plain, **rate, "weight_decay": 0.0}]


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
