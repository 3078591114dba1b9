"""MobileNetV4 architectures as tables (arXiv 2404.10518, appendix D; one row is one block).

The hybrid models follow the released code (TensorFlow and timm agree), whose row order differs
from the paper's Table 13; the published parameter counts are those of the code.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["ARCHS", "MQA", "UIB", "Arch", "Conv", "Fused", "Row", "get_arch"]


class Conv(NamedTuple):
    """Convolution + BN + activation."""

    kernel: int
    channels: int
    stride: int = 1


class Fused(NamedTuple):
    """FusedIB: a dense convolution expands (and strides), a 1x1 projects."""

    kernel: int
    expand: float
    channels: int
    stride: int = 1


class UIB(NamedTuple):
    """Universal inverted bottleneck; kernel 0 means that the depthwise layer is absent.

    start and middle: ExtraDW; middle only: inverted bottleneck; start only: ConvNext-like;
    neither: FFN.
    """

    start_kernel: int
    middle_kernel: int
    expand: float
    channels: int
    stride: int = 1


class MQA(NamedTuple):
    """Mobile multi-query attention; kv_stride > 1 downsamples keys and values."""

    num_heads: int
    head_dim: int
    channels: int
    kv_stride: int = 1


Row = Conv | Fused | UIB | MQA


@dataclass(frozen=True)
class Arch:
    """One architecture.

    Attributes:
        stem: Channels of the 3x3 stride-2 stem.
        stages: Rows of the stages that end in C2, C3, C4 and C5 (strides 4, 8, 16, 32).
        activation: Key of `layers.ACTIVATIONS`.
        layer_scale: Initial value of the per-channel scale on UIB and attention branches.
        downsample_filter: Anti-aliasing of strided convolutions, a key of `layers.FILTERS`.
        width_mult: Multiplies the channels; below 1 the stem keeps its width.
        head_channels: 1x1 convolution of the classifier before pooling; None: there is none.
        hidden_channels: 1x1 convolution of the classifier after pooling, never scaled.
    """

    stem: int
    stages: tuple[tuple[Row, ...], ...]
    activation: str = "relu"
    layer_scale: float | None = None
    downsample_filter: str | None = None
    width_mult: float = 1.0
    head_channels: int | None = 960
    hidden_channels: int = 1280


_CONV_S = Arch(
    stem=32,
    stages=(
        (
            #    k  out stride
            Conv(3, 32, 2),
            Conv(1, 32),
        ),
        (
            Conv(3, 96, 2),
            Conv(1, 64),
        ),
        (
            #  dw1 dw2 e  out stride
            UIB(5, 5, 3, 96, 2),
            UIB(0, 3, 2, 96),
            UIB(0, 3, 2, 96),
            UIB(0, 3, 2, 96),
            UIB(0, 3, 2, 96),
            UIB(3, 0, 4, 96),
        ),
        (
            UIB(3, 3, 6, 128, 2),
            UIB(5, 5, 4, 128),
            UIB(0, 5, 4, 128),
            UIB(0, 5, 3, 128),
            UIB(0, 3, 4, 128),
            UIB(0, 3, 4, 128),
        ),
    ),
)

_CONV_M = Arch(
    stem=32,
    stages=(
        (
            #     k  e  out stride
            Fused(3, 4, 48, 2),
        ),
        (
            #  dw1 dw2 e  out stride
            UIB(3, 5, 4, 80, 2),
            UIB(3, 3, 2, 80),
        ),
        (
            UIB(3, 5, 6, 160, 2),
            UIB(3, 3, 4, 160),
            UIB(3, 3, 4, 160),
            UIB(3, 5, 4, 160),
            UIB(3, 3, 4, 160),
            UIB(3, 0, 4, 160),
            UIB(0, 0, 2, 160),
            UIB(3, 0, 4, 160),
        ),
        (
            UIB(5, 5, 6, 256, 2),
            UIB(5, 5, 4, 256),
            UIB(3, 5, 4, 256),
            UIB(3, 5, 4, 256),
            UIB(0, 0, 4, 256),
            UIB(3, 0, 4, 256),
            UIB(3, 5, 2, 256),
            UIB(5, 5, 4, 256),
            UIB(0, 0, 4, 256),
            UIB(0, 0, 4, 256),
            UIB(5, 0, 2, 256),
        ),
    ),
)

_CONV_L = Arch(
    stem=24,
    stages=(
        (
            #     k  e  out stride
            Fused(3, 4, 48, 2),
        ),
        (
            #  dw1 dw2 e  out stride
            UIB(3, 5, 4, 96, 2),
            UIB(3, 3, 4, 96),
        ),
        (
            UIB(3, 5, 4, 192, 2),
            UIB(3, 3, 4, 192),
            UIB(3, 3, 4, 192),
            UIB(3, 3, 4, 192),
            UIB(3, 5, 4, 192),
            UIB(5, 3, 4, 192),
            UIB(5, 3, 4, 192),
            UIB(5, 3, 4, 192),
            UIB(5, 3, 4, 192),
            UIB(5, 3, 4, 192),
            UIB(3, 0, 4, 192),
        ),
        (
            UIB(5, 5, 4, 512, 2),
            UIB(5, 5, 4, 512),
            UIB(5, 5, 4, 512),
            UIB(5, 5, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 3, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 3, 4, 512),
            UIB(5, 5, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 0, 4, 512),
        ),
    ),
)

_HYBRID_M = Arch(
    stem=32,
    layer_scale=1e-5,
    stages=(
        (
            #     k  e  out stride
            Fused(3, 4, 48, 2),
        ),
        (
            #  dw1 dw2 e  out stride
            UIB(3, 5, 4, 80, 2),
            UIB(3, 3, 2, 80),
        ),
        (
            UIB(3, 5, 6, 160, 2),
            UIB(0, 0, 2, 160),
            UIB(3, 3, 4, 160),
            UIB(3, 5, 4, 160),
            # heads dim  out kv_stride
            MQA(4, 64, 160, 2),
            UIB(3, 3, 4, 160),
            MQA(4, 64, 160, 2),
            UIB(3, 0, 4, 160),
            MQA(4, 64, 160, 2),
            UIB(3, 3, 4, 160),
            MQA(4, 64, 160, 2),
            UIB(3, 0, 4, 160),
        ),
        (
            UIB(5, 5, 6, 256, 2),
            UIB(5, 5, 4, 256),
            UIB(3, 5, 4, 256),
            UIB(3, 5, 4, 256),
            UIB(0, 0, 2, 256),
            UIB(3, 5, 2, 256),
            UIB(0, 0, 2, 256),
            UIB(0, 0, 4, 256),
            MQA(4, 64, 256),
            UIB(3, 0, 4, 256),
            MQA(4, 64, 256),
            UIB(5, 5, 4, 256),
            MQA(4, 64, 256),
            UIB(5, 0, 4, 256),
            MQA(4, 64, 256),
            UIB(5, 0, 4, 256),
        ),
    ),
)

_HYBRID_L = Arch(
    stem=24,
    activation="gelu",
    layer_scale=1e-5,
    stages=(
        (
            #     k  e  out stride
            Fused(3, 4, 48, 2),
        ),
        (
            #  dw1 dw2 e  out stride
            UIB(3, 5, 4, 96, 2),
            UIB(3, 3, 4, 96),
        ),
        (
            UIB(3, 5, 4, 192, 2),
            UIB(3, 3, 4, 192),
            UIB(3, 3, 4, 192),
            UIB(3, 3, 4, 192),
            UIB(3, 5, 4, 192),
            UIB(5, 3, 4, 192),
            UIB(5, 3, 4, 192),
            # heads dim  out kv_stride
            MQA(8, 48, 192, 2),
            UIB(5, 3, 4, 192),
            MQA(8, 48, 192, 2),
            UIB(5, 3, 4, 192),
            MQA(8, 48, 192, 2),
            UIB(5, 3, 4, 192),
            MQA(8, 48, 192, 2),
            UIB(3, 0, 4, 192),
        ),
        (
            UIB(5, 5, 4, 512, 2),
            UIB(5, 5, 4, 512),
            UIB(5, 5, 4, 512),
            UIB(5, 5, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 3, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 0, 4, 512),
            UIB(5, 3, 4, 512),
            UIB(5, 5, 4, 512),
            MQA(8, 64, 512),
            UIB(5, 0, 4, 512),
            MQA(8, 64, 512),
            UIB(5, 0, 4, 512),
            MQA(8, 64, 512),
            UIB(5, 0, 4, 512),
            MQA(8, 64, 512),
            UIB(5, 0, 4, 512),
        ),
    ),
)

# TensorFlow's MobileNetV4ConvMediumSeg: its last endpoint is a 1x1 convolution to 448.
_CONV_M_SEG = Arch(
    stem=32,
    activation="relu6",
    head_channels=None,
    stages=(
        (
            #     k  e  out stride
            Fused(3, 4, 48, 2),
        ),
        (
            #  dw1 dw2 e  out stride
            UIB(3, 5, 4, 80, 2),
            UIB(3, 3, 2, 80),
        ),
        (
            UIB(3, 5, 6, 160, 2),
            UIB(3, 3, 4, 160),
            UIB(3, 3, 4, 160),
            UIB(3, 5, 4, 160),
            UIB(3, 3, 4, 160),
            UIB(3, 0, 4, 160),
            UIB(3, 0, 4, 160),
        ),
        (
            UIB(5, 5, 6, 256, 2),
            UIB(5, 5, 4, 128),
            UIB(3, 5, 4, 128),
            UIB(3, 5, 4, 128),
            UIB(3, 0, 4, 128),
            UIB(3, 5, 2, 128),
            UIB(5, 5, 4, 128),
            UIB(5, 0, 2, 128),
            Conv(1, 448),
        ),
    ),
)

ARCHS: dict[str, Arch] = {
    "conv_s": _CONV_S,
    "conv_m": _CONV_M,
    "conv_l": _CONV_L,
    "hybrid_m": _HYBRID_M,
    "hybrid_l": _HYBRID_L,
    "conv_s_035": replace(_CONV_S, width_mult=0.35),
    "conv_s_050": replace(_CONV_S, width_mult=0.5),
    "conv_aa_m": replace(_CONV_M, downsample_filter="avg"),
    "conv_aa_l": replace(_CONV_L, downsample_filter="avg"),
    "conv_blur_m": replace(_CONV_M, downsample_filter="blur"),
    "hybrid_m_075": replace(_HYBRID_M, width_mult=0.75),
    "hybrid_l_075": replace(_HYBRID_L, width_mult=0.75),
    "conv_m_seg": _CONV_M_SEG,
}


def get_arch(arch: str | Arch) -> Arch:
    """Return the table of `arch` (a name of `ARCHS`, or a table of your own, as it is).

    Raises:
        InputError: `arch` is neither.
    """
    if isinstance(arch, Arch):
        return arch
    if not isinstance(arch, str) or arch not in ARCHS:
        hint = did_you_mean(str(arch), ARCHS)
        raise InputError(f"unknown arch {arch!r}{hint}; known: {', '.join(ARCHS)}")
    return ARCHS[arch]
