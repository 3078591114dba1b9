"""MobileNetV4 (arXiv 2404.10518) as a backbone for classification, detection, segmentation."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Real

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mnv4_vision.core.backbones._checkpoint import recompute
from mnv4_vision.core.backbones.builder import (
    LayerFactory,
    build_block,
    plan_stages,
    stem_channels,
)
from mnv4_vision.core.backbones.init import initialize
from mnv4_vision.core.backbones.specs import Arch, get_arch
from mnv4_vision.core.errors import InputError

__all__ = ["MobileNetV4"]


@MODELS.register_module()
class MobileNetV4(BaseModule):
    """Stem and four stages. The classifier's 960 and 1280 convolutions are in `MobileNetV4Head`.

    Map i is C(i+1): 0 is the stem (stride 2), 4 is C5 (stride 32), each the output of the last
    block of its stage. Stages beyond the last wanted map are not built.

    Args:
        arch: Key of `ARCHS`, or an `Arch`.
        out_indices: Maps to return, rising, out of 0 to 4.
        output_stride: 32, 16 or 8; strides beyond it become dilation, with the same weights.
        frozen_stages: -1 freezes nothing, 0 the stem, n also the stages 1 to n.
        norm_eval: Keep the BN statistics while training.
        bn_eps: Epsilon of all BN layers (TensorFlow's recipes: 1e-3, Conv-S 1e-6).
        bn_momentum: Momentum of all BN layers.
        drop_path_rate: Stochastic depth; it rises linearly with depth towards this rate.
        width_mult: Overrides the table's; below 1 the stem keeps its width.
        with_cp: Recompute every block in the backward pass to save memory.
        padding: `symmetric` (PyTorch, timm) or `same` (TensorFlow; not with a downsample filter).
        fused_attention: See `MultiQueryAttention`.
        kv_reduction: Where `output_stride` takes a stride away, attend to the pixels that would
            be left at stride 32 only: cheaper, and what the pretrained attention has seen. With
            it (and symmetric padding, no filter) the pixels of stride 32 have the values that they
            have at stride 32. False: to all pixels, as timm.
        pretrained: `arch.tag`, timm's tag or a path, loaded by `init_weights`.
        init_cfg: mmengine's, applied before `pretrained`.

    Attributes:
        out_channels: Channels of each returned map.
        strides: Stride of each returned map.
    """

    def __init__(
        self,
        arch: str | Arch = "conv_m",
        *,
        out_indices: Sequence[int] = (1, 2, 3, 4),
        output_stride: int = 32,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        bn_eps: float = 1e-5,
        bn_momentum: float = 0.1,
        drop_path_rate: float = 0.0,
        width_mult: float | None = None,
        with_cp: bool = False,
        padding: str = "symmetric",
        fused_attention: bool = True,
        kv_reduction: bool = False,
        pretrained: str | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        _check("output_stride", output_stride, (8, 16, 32))
        _check("frozen_stages", frozen_stages, range(-1, 5))
        _check("padding", padding, ("symmetric", "same"))
        _check_number("drop_path_rate", drop_path_rate, "a number from 0 to below 1", _is_rate)
        self.arch = get_arch(arch)
        if width_mult is not None:
            self.arch = replace(self.arch, width_mult=width_mult)
        _check_number("width_mult", self.arch.width_mult, "a number above 0", _is_positive)
        _check_filter(self.arch.downsample_filter, padding)
        self.out_indices = _checked_indices(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        self.pretrained = pretrained

        layers = LayerFactory(
            activation=self.arch.activation,
            padding=padding,
            downsample_filter=self.arch.downsample_filter,
            layer_scale=self.arch.layer_scale,
            bn_eps=bn_eps,
            bn_momentum=bn_momentum,
            fused_attention=fused_attention,
            kv_reduction=kv_reduction,
        )
        plans, strides = plan_stages(self.arch, output_stride, drop_path_rate)
        plans = plans[: self.out_indices[-1]]
        self.stem = layers.conv(3, stem_channels(self.arch), 3, 2, downsample_filter=None)
        self.stages = nn.ModuleList(
            nn.Sequential(*(build_block(plan, layers) for plan in stage)) for stage in plans
        )
        channels = [stem_channels(self.arch), *(stage[-1].out_channels for stage in plans)]
        self.out_channels = tuple(channels[i] for i in self.out_indices)
        self.strides = tuple((2, *strides)[i] for i in self.out_indices)
        initialize(self)
        self._freeze()

    def init_weights(self) -> None:
        """Load `pretrained`; without it the weights stay as the constructor drew them."""
        if self.is_init:
            return
        super().init_weights()
        if self.pretrained:
            from mnv4_vision.core.weights import load_pretrained  # weights know the backbones

            load_pretrained(self, self.pretrained)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images (B, 3, H, W) to the maps (B, C_i, H_i, W_i) of `out_indices`."""
        x = self.stem(x)
        maps = [x]
        for stage in self.stages:
            if self.with_cp and self.training:
                for block in stage:
                    x = recompute(block, x)
            else:
                x = stage(x)
            maps.append(x)
        return tuple(maps[i] for i in self.out_indices)

    def train(self, mode: bool = True) -> "MobileNetV4":
        """Switch the mode; frozen stages, and with `norm_eval` all BN layers, stay in eval mode."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        return [self.stem, *self.stages][: self.frozen_stages + 1]

    def _freeze(self) -> None:
        for module in self._frozen():
            module.requires_grad_(False)
        self.train()


def _check(name: str, value: object, allowed: Sequence) -> None:
    if value not in allowed:
        raise InputError(f"MobileNetV4: {name}={value!r} is not one of {list(allowed)}")


def _check_number(
    name: str, value: object, allowed: str, is_allowed: Callable[[float], bool]
) -> None:
    if not isinstance(value, Real) or not is_allowed(value):
        raise InputError(f"MobileNetV4: {name}={value!r} is not {allowed}")


def _is_rate(value: float) -> bool:
    return 0 <= value < 1


def _is_positive(value: float) -> bool:
    return 0 < value < float("inf")


def _check_filter(downsample_filter: str | None, padding: str) -> None:
    if downsample_filter is not None and padding == "same":
        raise InputError(
            f"MobileNetV4: padding='same' and downsample_filter={downsample_filter!r} exclude each "
            "other, the filter strides and not the convolution: use padding='symmetric'"
        )


def _checked_indices(out_indices: Sequence[int]) -> tuple[int, ...]:
    indices = tuple(out_indices)
    if not indices or list(indices) != sorted(set(indices)) or not set(indices) <= set(range(5)):
        raise InputError(
            f"MobileNetV4: out_indices={indices} must be rising numbers out of 0 (C1) to 4 (C5)"
        )
    return indices
