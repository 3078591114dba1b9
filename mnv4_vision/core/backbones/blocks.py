"""The convolutional blocks of MobileNetV4: FusedIB and the universal inverted bottleneck."""

from collections.abc import Callable

from torch import Tensor, nn

from mnv4_vision.core.backbones.layers import ConvNormAct, DropPath, LayerScale, make_divisible

__all__ = ["FusedInvertedBottleneck", "ResidualBlock", "UniversalInvertedBottleneck"]


class ResidualBlock(nn.Module):
    """Branch, layer scale, drop path and, where the shape stays, a residual.

    Subclasses define `branch`. Layer scale also applies where there is no residual, as in
    TensorFlow's and timm's code.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        stride: Stride of the branch.
        layer_scale: Initial scale; None for none.
        drop_path_rate: Stochastic depth of the branch.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        layer_scale: float | None = None,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.has_residual = stride == 1 and in_channels == out_channels
        drops = self.has_residual and drop_path_rate > 0
        self.layer_scale = None if layer_scale is None else LayerScale(out_channels, layer_scale)
        self.drop_path = DropPath(drop_path_rate) if drops else None

    def branch(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H', W')."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H', W')."""
        out = self.branch(x)
        if self.layer_scale is not None:
            out = self.layer_scale(out)
        if self.drop_path is not None:
            out = self.drop_path(out)
        return out + x if self.has_residual else out


class FusedInvertedBottleneck(ResidualBlock):
    """FusedIB: dense k x k convolution that expands (and strides), 1x1 projection.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Kernel of the expanding convolution.
        expand_ratio: Expanded width relative to the input.
        stride: 1 or 2.
        dilation: Dilation of the expanding convolution.
        drop_path_rate: Stochastic depth.
        conv: Makes the layers; carries activation, padding, norm and filter.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        expand_ratio: float = 4,
        stride: int = 1,
        *,
        dilation: int = 1,
        drop_path_rate: float = 0.0,
        conv: Callable[..., ConvNormAct] = ConvNormAct,
    ) -> None:
        super().__init__(in_channels, out_channels, stride, drop_path_rate=drop_path_rate)
        width = make_divisible(in_channels * expand_ratio)
        self.expand = conv(in_channels, width, kernel_size, stride, dilation=dilation)
        self.project = conv(width, out_channels, 1, activation=None)

    def branch(self, x: Tensor) -> Tensor:
        """Expand and project."""
        return self.project(self.expand(x))


class UniversalInvertedBottleneck(ResidualBlock):
    """UIB: [start DW] - 1x1 expand - [middle DW] - 1x1 project (paper section 3).

    The middle depthwise layer strides; the start one only where there is no middle one.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        start_kernel: Kernel of the depthwise layer before the expansion; 0 for none.
        middle_kernel: Kernel of the depthwise layer after the expansion; 0 for none.
        expand_ratio: Expanded width relative to the input.
        stride: 1 or 2.
        dilation: Dilation of both depthwise layers (as timm; exact atrous would leave out one).
        layer_scale: Initial layer scale; None for none.
        drop_path_rate: Stochastic depth.
        conv: Makes the layers; carries activation, padding, norm and filter.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        start_kernel: int = 0,
        middle_kernel: int = 3,
        expand_ratio: float = 4,
        stride: int = 1,
        *,
        dilation: int = 1,
        layer_scale: float | None = None,
        drop_path_rate: float = 0.0,
        conv: Callable[..., ConvNormAct] = ConvNormAct,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            stride,
            layer_scale=layer_scale,
            drop_path_rate=drop_path_rate,
        )
        assert stride == 1 or start_kernel or middle_kernel, "a strided UIB needs a depthwise layer"
        width = make_divisible(in_channels * expand_ratio)
        self.start_dw = self.middle_dw = None
        if start_kernel:
            self.start_dw = conv(
                in_channels, in_channels, start_kernel, 1 if middle_kernel else stride,
                dilation=dilation, groups=in_channels, activation=None,
            )  # fmt: skip
        self.expand = conv(in_channels, width, 1)
        if middle_kernel:
            self.middle_dw = conv(
                width, width, middle_kernel, stride, dilation=dilation, groups=width
            )
        self.project = conv(width, out_channels, 1, activation=None)

    def branch(self, x: Tensor) -> Tensor:
        """Run the layers that this form has."""
        if self.start_dw is not None:
            x = self.start_dw(x)
        x = self.expand(x)
        if self.middle_dw is not None:
            x = self.middle_dw(x)
        return self.project(x)
