"""The tables against published counts: paper, TensorFlow and timm (conv + FC + attention)."""

import re

import pytest
import torch

from mnv4_vision.core.backbones import ARCHS, MobileNetV4, MobileNetV4Classifier, get_arch
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_macs, count_params

# arch: parameters with 1000 classes, input size, GMACs
COUNTS = {
    "conv_s": (3_774_024, 224, 0.1860),
    "conv_m": (9_715_512, 256, 1.0802),
    "conv_l": (32_590_864, 384, 6.3762),
    "hybrid_m": (11_074_648, 256, 1.2292 + 0.0419),
    "hybrid_l": (37_764_624, 384, 7.3721 + 0.3397),
    "conv_m_seg": (5_021_816, 256, 0.803),
}
# timm's csv, in millions; test_timm_parity.py has the exact numbers
TIMM_MILLIONS = {
    "conv_s_035": 1.91,
    "conv_s_050": 2.24,
    "conv_aa_m": 9.72,
    "conv_aa_l": 32.59,
    "conv_blur_m": 9.72,
    "hybrid_m_075": 7.31,
    "hybrid_l_075": 22.75,
}
CHANNELS = {
    "conv_s": (32, 32, 64, 96, 128),
    "conv_m": (32, 48, 80, 160, 256),
    "conv_l": (24, 48, 96, 192, 512),
    "hybrid_m": (32, 48, 80, 160, 256),
    "hybrid_l": (24, 48, 96, 192, 512),
    "conv_m_seg": (32, 48, 80, 160, 448),
}


def on_meta(build, *args, **kwargs):
    with torch.device("meta"):
        return build(*args, **kwargs)


def test_every_table_is_checked():
    assert COUNTS.keys() | TIMM_MILLIONS.keys() == ARCHS.keys()


@pytest.mark.parametrize("arch", COUNTS)
def test_parameters_and_macs(arch):
    parameters, size, giga = COUNTS[arch]
    model = on_meta(MobileNetV4Classifier, arch)
    assert count_params(model) == parameters
    assert count_macs(model, size) / 1e9 == pytest.approx(giga, rel=0.005)


@pytest.mark.parametrize("arch", TIMM_MILLIONS)
def test_parameters_of_timm_variants(arch):
    model = on_meta(MobileNetV4Classifier, arch)
    assert count_params(model) / 1e6 == pytest.approx(TIMM_MILLIONS[arch], abs=0.005)


@pytest.mark.parametrize("arch", CHANNELS)
def test_feature_contract(arch):
    model = on_meta(MobileNetV4, arch, out_indices=range(5))
    assert model.out_channels == CHANNELS[arch]
    assert model.strides == (2, 4, 8, 16, 32)
    maps = model(torch.empty(2, 3, 256, 192, device="meta"))
    assert [m.shape for m in maps] == [
        (2, c, 256 // s, 192 // s) for c, s in zip(model.out_channels, model.strides, strict=True)
    ]


def test_backbone_has_neither_classifier_nor_unused_stages():
    # the figure for a detector: 9.72 M minus 247,680 (960) and 2,512,360 (1280 and FC)
    assert count_params(on_meta(MobileNetV4, "conv_m")) == 9_715_512 - 247_680 - 2_512_360
    # stem, /4 and /8 only
    shorter = on_meta(MobileNetV4, "conv_m", out_indices=(1, 2))
    assert count_params(shorter) == 928 + 43_360 + 59_552
    assert shorter.out_channels == (48, 80)


def test_width_multiplier_keeps_a_stem_below_one():
    assert on_meta(MobileNetV4, "conv_m", width_mult=0.5).stem.conv.out_channels == 32
    wide = on_meta(MobileNetV4, "conv_m", width_mult=1.5, out_indices=range(5))
    assert wide.out_channels == (48, 72, 120, 240, 384)
    same = on_meta(MobileNetV4, "conv_s", width_mult=0.5)
    assert count_params(same) == count_params(on_meta(MobileNetV4, "conv_s_050"))


def test_own_table():
    table = get_arch("conv_s")
    assert on_meta(MobileNetV4, table).out_channels == (32, 64, 96, 128)


def test_unknown_arch_is_named_with_what_is_known():
    with pytest.raises(InputError, match=r"'conv_mm'.*did you mean 'conv_m'") as error:
        MobileNetV4("conv_mm")
    assert all(arch in str(error.value) for arch in ARCHS)


@pytest.mark.parametrize("arch", [{"stem": 32}, ["conv_s"], None])
def test_arch_of_another_type_is_named(arch):
    with pytest.raises(InputError, match="unknown arch " + re.escape(repr(arch))):
        get_arch(arch)


@pytest.mark.parametrize("arch", ["conv_aa_m", "conv_blur_m"])
def test_same_padding_has_no_filtered_form(arch):
    with pytest.raises(InputError, match=r"padding=.same. and downsample_filter=.(avg|blur)."):
        MobileNetV4(arch, padding="same")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("out_indices", (1, 5)),
        ("out_indices", (3, 2)),
        ("out_indices", ()),
        ("output_stride", 4),
        ("frozen_stages", 5),
        ("padding", "valid"),
        ("drop_path_rate", 1.0),
        ("drop_path_rate", -0.1),
        ("drop_path_rate", None),
        ("width_mult", 0),
        ("width_mult", -0.5),
        ("width_mult", float("nan")),
        ("width_mult", "0.5"),
    ],
)
def test_bad_option_is_named(option, value):
    with pytest.raises(InputError, match=option):
        MobileNetV4("conv_s", **{option: value})
