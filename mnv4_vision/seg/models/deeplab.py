"""DeepLabV3 (arXiv 1706.05587) and DeepLabV3+ (arXiv 1802.02611) with separable convolutions."""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mnv4_vision.core.backbones.layers import ConvNormAct
from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.models.decode_head import MobileDecodeHead

__all__ = ["DeepLabHead", "SeparableASPP"]

# The rates of the papers are those of maps at this stride.
RATES_STRIDE = 16


def separable(in_channels: int, out_channels: int, dilation: int = 1) -> nn.Sequential:
    """Depthwise 3x3 and pointwise convolution, a batch norm and ReLU after each (DeepLabV3+)."""
    return nn.Sequential(
        ConvNormAct(in_channels, in_channels, 3, dilation=dilation, groups=in_channels),
        ConvNormAct(in_channels, out_channels, 1),
    )


class SeparableASPP(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, three atrous separable 3x3, and image pooling.

    The branches are concatenated and projected by a 1x1 convolution, as in the papers (mmseg has a
    3x3 one). The pooled branch has one value for all pixels, so its part of the projection is added
    instead of concatenated: the same sum, without a copy for every pixel.

    Args:
        in_channels: Channels of the input.
        channels: Width of every branch and of the output.
        dilations: Rates of the atrous branches.
    """

    def __init__(self, in_channels: int, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                ConvNormAct(in_channels, channels, 1),
                *(separable(in_channels, channels, rate) for rate in dilations),
            ]
        )
        self.pool = ConvNormAct(in_channels, channels, 1)
        self.project_pool = nn.Conv2d(channels, channels, 1, bias=False)
        self.project = nn.Conv2d(len(self.branches) * channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, channels, H, W)."""
        pooled = self.project_pool(self.pool(functional.adaptive_avg_pool2d(x, 1)))
        mixed = self.project(torch.cat([branch(x) for branch in self.branches], 1))
        return functional.relu(self.norm(mixed + pooled))


@MODELS.register_module()
class DeepLabHead(MobileDecodeHead):
    """The head of DeepLabV3, and with a second, finer map before the last one of DeepLabV3+.

    Args:
        in_channels: Channels of the maps: `(C5,)` for V3, `(C2 or C3, C5)` for V3+.
        channels: Width of ASPP and decoder.
        aspp_channels: Width of ASPP where V3+ has another one.
        low_level_channels: Width to which the finer map is reduced.
        dilations: Rates of the atrous branches at output stride 16; they grow as maps get finer.
        output_stride: Stride of the last map.
        **kwargs: See `MobileDecodeHead`.

    Raises:
        InputError: More than two maps, no rates, or rates below 1, a width of ASPP alone in V3.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        *,
        aspp_channels: int | None = None,
        low_level_channels: int = 48,
        dilations: Sequence[int] = (6, 12, 18),
        output_stride: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, channels, **kwargs)
        if len(in_channels) not in (1, 2):
            raise InputError(
                f"DeepLabHead: in_channels={tuple(in_channels)}; it takes one map (DeepLabV3) or "
                "two (V3+, the finer one first)"
            )
        if not dilations or min(dilations) < 1:
            raise InputError(f"DeepLabHead: dilations={tuple(dilations)}; it takes rates from 1")
        rates = [max(1, round(rate * RATES_STRIDE / output_stride)) for rate in dilations]
        aspp_channels = aspp_channels or channels
        if len(in_channels) == 1 and aspp_channels != channels:
            raise InputError(
                f"DeepLabHead: aspp_channels={aspp_channels} of one map (DeepLabV3): set channels"
            )
        self.aspp = SeparableASPP(in_channels[-1], aspp_channels, rates)
        self.reduce_low = self.decoder = None
        if len(in_channels) == 2:
            self.reduce_low = ConvNormAct(in_channels[0], low_level_channels, 1)
            self.decoder = nn.Sequential(
                separable(aspp_channels + low_level_channels, channels),
                separable(channels, channels),
            )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Map the backbone's maps to logits `(B, num_classes, h, w)` at the finest map's size."""
        *low, high = self._transform_inputs(inputs)
        x = self.aspp(high)
        if low:
            x = functional.interpolate(
                x, low[0].shape[2:], mode="bilinear", align_corners=self.align_corners
            )
            x = self.decoder(torch.cat([x, self.reduce_low(low[0])], 1))
        return self.cls_seg(x)
