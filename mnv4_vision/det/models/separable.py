"""Depthwise-separable convolution as an mmcv conv layer, and the FPN made of it.

MobileNetV4 section 7.2: the FPN and the box head use depth-separable convolutions.
"""

from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from torch import nn

__all__ = ["SeparableConv2d", "SeparableFPN"]


@MODELS.register_module()
class SeparableConv2d(nn.Sequential):
    """Depthwise `kernel_size` convolution followed by a pointwise one; no norm in between.

    A drop-in for `nn.Conv2d` in `conv_cfg=dict(type=SeparableConv2d)`: norm and activation after
    it are those of the surrounding `ConvModule`. A 1x1 kernel has nothing to separate and becomes
    the pointwise convolution alone, so that an FPN's lateral layers may share the `conv_cfg`.

    Args:
        in_channels: Channels of the input `(B, in_channels, H, W)`.
        out_channels: Channels of the output.
        kernel_size: Side of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        padding: Zero padding of the depthwise convolution.
        dilation: Dilation of the depthwise convolution.
        groups: Only 1; a grouped pointwise convolution is not what this layer is for.
        bias: Whether the pointwise convolution has a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        if groups != 1:
            raise ValueError(f"SeparableConv2d has no grouped form, but groups={groups}")
        super().__init__()
        if kernel_size > 1:
            self.depthwise = nn.Conv2d(
                in_channels,
                in_channels,
                kernel_size,
                stride,
                padding,
                dilation,
                groups=in_channels,
                bias=False,
            )
        pointwise_stride = stride if kernel_size == 1 else 1
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, pointwise_stride, bias=bias)
        # What ConvModule reads from its convolution.
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = (kernel_size,) * 2, (stride,) * 2
        self.padding, self.dilation = (padding,) * 2, (dilation,) * 2
        self.groups, self.transposed, self.output_padding = groups, False, (0, 0)

    def init_weights(self, pointwise_std: float | None = None, bias: float = 0.0) -> None:
        """Initialise in place: depthwise by fan-in, pointwise Xavier or `N(0, pointwise_std)`."""
        if hasattr(self, "depthwise"):
            nn.init.kaiming_normal_(self.depthwise.weight, nonlinearity="linear")
        if pointwise_std is None:
            nn.init.xavier_uniform_(self.pointwise.weight)
        else:
            nn.init.normal_(self.pointwise.weight, std=pointwise_std)
        if self.pointwise.bias is not None:
            nn.init.constant_(self.pointwise.bias, bias)


def init_separable(module: nn.Module) -> None:
    """Initialise every `SeparableConv2d` below `module` in place."""
    for child in module.modules():
        if isinstance(child, SeparableConv2d):
            child.init_weights()


@MODELS.register_module()
class SeparableFPN(FPN):
    """mmdet's FPN with separable convolutions; P6 and P7 come from P5 by stride 2.

    Args:
        in_channels: Channels of the backbone's maps, finest first, e.g. C3..C5.
        out_channels: Width of every level.
        num_outs: Number of levels, 5 for P3..P7.
        norm_cfg: Normalisation after every convolution.
    """

    def __init__(
        self,
        in_channels: list[int],
        out_channels: int = 256,
        num_outs: int = 5,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            list(in_channels),
            out_channels,
            num_outs,
            add_extra_convs="on_output",
            conv_cfg=dict(type=SeparableConv2d),
            norm_cfg=norm_cfg or dict(type="BN"),
            init_cfg=None,
        )

    def init_weights(self) -> None:
        """Initialise every convolution (mmdet's Xavier rule would shrink the depthwise ones)."""
        init_separable(self)
