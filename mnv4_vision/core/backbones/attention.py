"""Mobile multi-query attention (paper section 4, Eq. 2): one key and one value head."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from mnv4_vision.core.backbones.blocks import ResidualBlock
from mnv4_vision.core.backbones.layers import ConvNormAct

__all__ = ["MobileAttention", "MultiQueryAttention"]


class MultiQueryAttention(nn.Module):
    """Attention over all pixels with shared, optionally downsampled, keys and values.

    The heads lie on the query axis, so keys and values need no copy per head, and with
    channels-last tensors every reshape is a view.

    Args:
        channels: Input and output channels.
        num_heads: Query heads.
        head_dim: Width of a head, for queries, keys and values.
        kv_stride: 1, or the stride of the depthwise 3x3 layers in front of keys and values.
        kv_step: Further stride of keys and values, which costs no weights: only every n-th pixel
            of a row or column has one. For maps that lost this stride (see `MobileNetV4`).
        dilation: Dilation of the depthwise layers.
        fused: `scaled_dot_product_attention`, for training; False: matmul and softmax, which
            mobile runtimes take better.
        conv: Makes the depthwise layers.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        head_dim: int,
        kv_stride: int = 1,
        *,
        kv_step: int = 1,
        dilation: int = 1,
        fused: bool = True,
        conv: Callable[..., ConvNormAct] = ConvNormAct,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.fused = fused
        self.query = nn.Conv2d(channels, num_heads * head_dim, 1, bias=False)
        self.key_dw = self.value_dw = None
        if kv_stride > 1:
            options = {
                "dilation": dilation, "groups": channels,
                "activation": None, "downsample_filter": None,
            }  # fmt: skip
            self.key_dw = conv(channels, channels, 3, kv_stride * kv_step, **options)
            self.value_dw = conv(channels, channels, 3, kv_stride * kv_step, **options)
            kv_step = 1
        self.key = nn.Conv2d(channels, head_dim, 1, kv_step, bias=False)
        self.value = nn.Conv2d(channels, head_dim, 1, kv_step, bias=False)
        self.output = nn.Conv2d(num_heads * head_dim, channels, 1, bias=False)

    def reset_parameters(self) -> None:
        """Xavier-uniform weights, which train more stably (timm's `ix` weights; TensorFlow)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        batch, _, height, width = x.shape
        query = self._tokens(self.query(x))
        key = self._tokens(self.key(x if self.key_dw is None else self.key_dw(x)))
        value = self._tokens(self.value(x if self.value_dw is None else self.value_dw(x)))
        out = self._attend(query, key, value)
        out = out.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
        if x.is_contiguous():  # the view is channels-last; a contiguous network stays contiguous
            out = out.contiguous()
        return self.output(out)

    def _tokens(self, x: Tensor) -> Tensor:
        """Map (B, heads * D, H, W) to (B, H * W * heads, D)."""
        return x.flatten(2).transpose(1, 2).reshape(x.shape[0], -1, self.head_dim)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if self.fused:
            # The kernels that keep no (L, S) matrix want adjacent channels, as channels-last maps
            # have; the fallback for other strides takes ten times the memory on large maps.
            heads = (tokens.contiguous().unsqueeze(1) for tokens in (query, key, value))
            return F.scaled_dot_product_attention(*heads).squeeze(1)
        weights = (query * self.head_dim**-0.5) @ key.transpose(1, 2)
        return weights.softmax(-1) @ value


class MobileAttention(ResidualBlock):
    """Batch norm, multi-query attention, layer scale, residual. There is no FFN inside.

    Args:
        channels: Input and output channels.
        num_heads: Query heads.
        head_dim: Width of a head.
        kv_stride: Downsampling of keys and values by trained layers.
        kv_step: Further downsampling of keys and values, without weights.
        dilation: Dilation of the trained downsampling.
        layer_scale: Initial layer scale; None for none.
        drop_path_rate: Stochastic depth.
        fused: See `MultiQueryAttention`.
        conv: Makes the depthwise layers.
        norm: Makes the norm layer from the number of channels.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        head_dim: int,
        kv_stride: int = 1,
        *,
        kv_step: int = 1,
        dilation: int = 1,
        layer_scale: float | None = None,
        drop_path_rate: float = 0.0,
        fused: bool = True,
        conv: Callable[..., ConvNormAct] = ConvNormAct,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__(channels, channels, layer_scale=layer_scale, drop_path_rate=drop_path_rate)
        self.norm: nn.Module | None = norm(channels)
        self.attention = MultiQueryAttention(
            channels, num_heads, head_dim, kv_stride,
            kv_step=kv_step, dilation=dilation, fused=fused, conv=conv,
        )  # fmt: skip

    def branch(self, x: Tensor) -> Tensor:
        """Normalise and attend."""
        if self.norm is not None:  # None once deployed, where that is exact
            x = self.norm(x)
        return self.attention(x)
