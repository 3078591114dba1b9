"""Turns the rows of an architecture into blocks: channels, strides, dilation, stochastic depth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from mnv4_vision.core.backbones.attention import MobileAttention
from mnv4_vision.core.backbones.blocks import FusedInvertedBottleneck, UniversalInvertedBottleneck
from mnv4_vision.core.backbones.layers import ConvNormAct, make_divisible
from mnv4_vision.core.backbones.specs import MQA, UIB, Arch, Conv, Fused, Row

__all__ = ["BlockPlan", "LayerFactory", "build_block", "plan_stages", "stem_channels"]


@dataclass(frozen=True)
class LayerFactory:
    """What all layers of one network have in common.

    Attributes:
        activation: Key of `ACTIVATIONS`.
        padding: `symmetric` or `same`.
        downsample_filter: Key of `FILTERS`, or None.
        layer_scale: Initial layer scale, or None.
        bn_eps: Epsilon of all BN layers.
        bn_momentum: Momentum of all BN layers.
        fused_attention: See `MultiQueryAttention`.
        kv_reduction: See `MobileNetV4`.
    """

    activation: str = "relu"
    padding: str = "symmetric"
    downsample_filter: str | None = None
    layer_scale: float | None = None
    bn_eps: float = 1e-5
    bn_momentum: float = 0.1
    fused_attention: bool = True
    kv_reduction: bool = False

    def norm(self, channels: int) -> nn.BatchNorm2d:
        """Make a batch norm."""
        return nn.BatchNorm2d(channels, eps=self.bn_eps, momentum=self.bn_momentum)

    @property
    def conv(self) -> Callable[..., ConvNormAct]:
        """`ConvNormAct` with this network's settings as defaults."""
        return partial(
            ConvNormAct,
            activation=self.activation,
            padding=self.padding,
            downsample_filter=self.downsample_filter,
            norm=self.norm,
        )


@dataclass(frozen=True)
class BlockPlan:
    """A row of the table, placed in its network."""

    row: Row
    in_channels: int
    out_channels: int
    stride: int
    dilation: int
    drop_path_rate: float


def stem_channels(arch: Arch) -> int:
    """Return the stem's width, which multipliers below 1 leave alone."""
    return make_divisible(arch.stem * max(arch.width_mult, 1.0))


def plan_stages(
    arch: Arch, output_stride: int = 32, drop_path_rate: float = 0.0
) -> tuple[list[list[BlockPlan]], list[int]]:
    """Place every row in the network.

    A stride beyond `output_stride` becomes dilation for the blocks after it, as in timm: the block
    that loses its stride keeps the dilation it had. Stochastic depth rises linearly over all
    rows, the classifier's first convolution counted as one (timm).

    Returns:
        The plans, one list per stage, and the stride of each stage's output.
    """
    count = sum(map(len, arch.stages)) + (arch.head_channels is not None)
    channels, stride, dilation, index = stem_channels(arch), 2, 1, 0
    stages: list[list[BlockPlan]] = []
    strides: list[int] = []
    for rows in arch.stages:
        plans = []
        for row in rows:
            wanted, next_dilation = getattr(row, "stride", 1), dilation
            if stride * wanted > output_stride:
                wanted, next_dilation = 1, dilation * wanted
            out = make_divisible(row.channels * arch.width_mult)
            rate = drop_path_rate * index / count
            plans.append(BlockPlan(row, channels, out, wanted, dilation, rate))
            channels, stride, dilation, index = out, stride * wanted, next_dilation, index + 1
        stages.append(plans)
        strides.append(stride)
    return stages, strides


def build_block(plan: BlockPlan, layers: LayerFactory) -> nn.Module:
    """Build the block of one row."""
    return _BUILDERS[type(plan.row)](plan, layers)


def _conv(plan: BlockPlan, layers: LayerFactory) -> ConvNormAct:
    return layers.conv(
        plan.in_channels,
        plan.out_channels,
        plan.row.kernel,
        plan.stride,
        dilation=plan.dilation,
    )


def _fused(plan: BlockPlan, layers: LayerFactory) -> FusedInvertedBottleneck:
    return FusedInvertedBottleneck(
        plan.in_channels,
        plan.out_channels,
        plan.row.kernel,
        plan.row.expand,
        plan.stride,
        dilation=plan.dilation,
        drop_path_rate=plan.drop_path_rate,
        conv=layers.conv,
    )


def _uib(plan: BlockPlan, layers: LayerFactory) -> UniversalInvertedBottleneck:
    return UniversalInvertedBottleneck(
        plan.in_channels,
        plan.out_channels,
        plan.row.start_kernel,
        plan.row.middle_kernel,
        plan.row.expand,
        plan.stride,
        dilation=plan.dilation,
        layer_scale=layers.layer_scale,
        drop_path_rate=plan.drop_path_rate,
        conv=layers.conv,
    )


def _mqa(plan: BlockPlan, layers: LayerFactory) -> MobileAttention:
    return MobileAttention(
        plan.in_channels,
        plan.row.num_heads,
        plan.row.head_dim,
        plan.row.kv_stride,
        # the dilation of a block is the stride that its input has lost
        kv_step=plan.dilation if layers.kv_reduction else 1,
        dilation=plan.dilation,
        layer_scale=layers.layer_scale,
        drop_path_rate=plan.drop_path_rate,
        fused=layers.fused_attention,
        conv=layers.conv,
        norm=layers.norm,
    )


_BUILDERS: dict[type, Callable[[BlockPlan, LayerFactory], nn.Module]] = {
    Conv: _conv,
    Fused: _fused,
    UIB: _uib,
    MQA: _mqa,
}
