"""Layers that every MobileNetV4 block is made of."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "ACTIVATIONS",
    "FILTERS",
    "BlurPool2d",
    "Conv2dSame",
    "ConvNormAct",
    "DropPath",
    "LayerScale",
    "make_divisible",
]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "relu6": partial(nn.ReLU6, inplace=True),
    "gelu": nn.GELU,
}


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, never going below 90 % of `value` (TensorFlow's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class Conv2dSame(nn.Conv2d):
    """Convolution with TensorFlow's `same` padding: the odd pixel goes to the bottom and right."""

    def forward(self, x: Tensor) -> Tensor:
        """Pad by what the input size needs, then convolve."""
        top, bottom = self._pads(x.shape[2], 0)
        left, right = self._pads(x.shape[3], 1)
        return super().forward(F.pad(x, (left, right, top, bottom)))

    def _pads(self, size: int, axis: int) -> tuple[int, int]:
        stride, reach = self.stride[axis], self.dilation[axis] * (self.kernel_size[axis] - 1)
        total = max(((size - 1) // stride) * stride + reach + 1 - size, 0)
        return total // 2, total - total // 2


class BlurPool2d(nn.Module):
    """Stride-2 binomial 3x3 filter with zero padding (arXiv 1904.11486; timm's `blurpc`).

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(taps, taps).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H/2), ceil(W/2))."""
        return F.conv2d(x, self.kernel, stride=2, padding=1, groups=x.shape[1])


FILTERS: dict[str, Callable[[int], nn.Module]] = {
    "avg": lambda channels: nn.AvgPool2d(2),
    "blur": BlurPool2d,
}


class ConvNormAct(nn.Module):
    """Convolution without bias, batch norm, activation.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd kernel size.
        stride: Stride of the convolution, or of the filter if there is one.
        dilation: Dilation.
        groups: Groups; `groups=in_channels` is depthwise.
        activation: Key of `ACTIVATIONS`; None for a linear layer.
        padding: `symmetric` (PyTorch, timm) or `same` (TensorFlow).
        downsample_filter: Key of `FILTERS`; then a strided layer convolves densely and the filter
            after the activation strides.
        norm: Makes the norm layer from the number of channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        groups: int = 1,
        activation: str | None = "relu",
        padding: str = "symmetric",
        downsample_filter: str | None = None,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        filtered = downsample_filter is not None and stride > 1
        self.conv = _conv(
            in_channels, out_channels, kernel_size, 1 if filtered else stride, dilation, groups,
            padding,
        )  # fmt: skip
        self.bn: nn.Module | None = norm(out_channels)
        self.act = ACTIVATIONS[activation]() if activation else None
        self.filter = FILTERS[downsample_filter](out_channels) if filtered else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H', W')."""
        x = self.conv(x)
        if self.bn is not None:  # None once deployed
            x = self.bn(x)
        if self.act is not None:
            x = self.act(x)
        return x if self.filter is None else self.filter(x)


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    dilation: int,
    groups: int,
    padding: str,
) -> nn.Conv2d:
    reach = dilation * (kernel_size - 1)
    options = {"stride": stride, "dilation": dilation, "groups": groups, "bias": False}
    if padding == "same" and stride > 1:  # at stride 1 and odd kernels both paddings are equal
        return Conv2dSame(in_channels, out_channels, kernel_size, **options)
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=reach // 2, **options)


class LayerScale(nn.Module):
    """Learned scale per channel (arXiv 2103.17239).

    Args:
        channels: Channels of input and output.
        init_value: Initial scale of every channel.
    """

    def __init__(self, channels: int, init_value: float) -> None:
        super().__init__()
        self.init_value = init_value
        self.gamma = nn.Parameter(torch.full((channels,), init_value))

    def forward(self, x: Tensor) -> Tensor:
        """Scale (B, C, H, W) channel by channel."""
        return x * self.gamma.view(-1, 1, 1)


class DropPath(nn.Module):
    """Stochastic depth per sample (arXiv 1603.09382).

    Args:
        rate: Probability of dropping a sample, 0 to below 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Zero whole samples at `rate` while training and scale up the others."""
        if not self.training:
            return x
        keep = 1 - self.rate
        return x * x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep).div_(keep)

    def extra_repr(self) -> str:
        """Show the rate in `print(model)`."""
        return f"rate={self.rate:.3f}"
