"""MobileNetV5's multi-scale fusion adapter (MSFA), as timm has it, for maps of any size.

There is no paper; the reference is timm's `MobileNetV5MultiScaleFusionAdapter`, whose weights fit.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from mnv4_vision.core.backbones.layers import make_divisible
from mnv4_vision.core.errors import InputError

__all__ = ["MultiScaleFusionNeck"]


@MODELS.register_module()
class MultiScaleFusionNeck(BaseModule):
    """Fuse the last maps into one, at the resolution of the finest of them.

    The coarser ones are repeated to its size (nearest), concatenated behind it, and mixed pixel by
    pixel: 1x1 convolution, RMS norm, GELU, 1x1 convolution, RMS norm. Finer maps pass through.

    Args:
        in_channels: Channels of the backbone's maps, finest first.
        channels: Channels of the fused map.
        num_fused: How many of the last maps are fused.
        expand_ratio: Width between the two convolutions, over that of the concatenated maps.
        output_size: Side in pixels to which the fused map is brought in front of the last norm:
            16 of MobileNetV5's classifier and of the Gemma 3n encoder. None keeps the resolution.
        init_cfg: mmengine's.

    Attributes:
        out_channels: Channels of each returned map.

    Raises:
        InputError: Fewer maps than `num_fused`, or less than two to fuse.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 2048,
        *,
        num_fused: int = 2,
        expand_ratio: float = 2.0,
        output_size: int | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 2 <= num_fused <= len(in_channels):
            raise InputError(
                f"MultiScaleFusionNeck: num_fused={num_fused} of {len(in_channels)} maps; it takes "
                "2 or more: see model.backbone.out_indices"
            )
        self.num_fused, self.output_size = num_fused, output_size
        self.out_channels = (*in_channels[:-num_fused], channels)
        fused = sum(in_channels[-num_fused:])
        self.ffn = _PixelMixing(fused, make_divisible(fused * expand_ratio), channels)
        self.norm = _RMSNorm2d(channels)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the finer maps as they are and the fused one (B, channels, H, W)."""
        finer, (finest, *coarser) = inputs[: -self.num_fused], inputs[-self.num_fused :]
        size = finest.shape[2:]
        x = self.ffn(torch.cat([finest, *(F.interpolate(x, size) for x in coarser)], 1))
        if self.output_size is not None:
            x = _resized(x, self.output_size)
        return (*finer, self.norm(x))


class _PixelMixing(nn.Module):
    """Two 1x1 convolutions; names as of timm's universal inverted bottleneck."""

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.pw_exp = _ConvNorm(in_channels, hidden_channels)
        self.pw_proj = _ConvNorm(hidden_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pw_proj(F.gelu(self.pw_exp(x), approximate="tanh"))


class _ConvNorm(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = _RMSNorm2d(out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class _RMSNorm2d(nn.Module):
    """Each pixel over the root mean square of its channels."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()  # in float16 the square of 256 is infinite
        scale = wide.square().mean(1, keepdim=True).add(self.eps).rsqrt()
        return (wide * scale).to(x.dtype) * self.weight[:, None, None]


def _resized(x: Tensor, side: int) -> Tensor:
    """Average to (B, C, side, side) where the size divides, else interpolate, as timm does."""
    height, width = x.shape[2:]
    if height % side or width % side:
        return F.interpolate(x, (side, side), mode="bilinear")
    return F.avg_pool2d(x, (height // side, width // side))
