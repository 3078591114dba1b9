"""Ours against timm with timm's weights, and timm with ours."""

import pytest
import torch
from backbone_helpers import images

from mnv4_vision.core.backbones import MobileNetV4, MobileNetV4Classifier, from_timm, to_timm
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_macs, count_params
from mnv4_vision.core.weights.catalogue import TIMM_ARCHS

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def timm_maps(model, image):
    """C1..C5 of timm; its features_only would give the 960 channels as the last map."""
    maps = [model.bn1(model.conv_stem(image))]
    if hasattr(model, "act1"):
        maps = [model.act1(maps[0])]
    for stage in model.blocks[:4]:
        maps.append(stage(maps[-1]))
    return maps


def our_maps(classifier, image):
    backbone = classifier.backbone
    maps = [backbone.stem(image)]
    for stage in backbone.stages:
        maps.append(stage(maps[-1]))
    return maps


@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
@pytest.mark.parametrize("arch", TIMM_ARCHS)
@torch.inference_mode()
def test_features_and_logits(timm_pair, arch, size):
    timm_model, ours = timm_pair(arch)
    image = images(1, *size)
    features = our_maps(ours, image)
    for mine, theirs in zip(features, timm_maps(timm_model, image), strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)
    logits = ours.head(features[-1])
    assert logits.std() > 0.1
    torch.testing.assert_close(logits, timm_model(image), **CLOSE)


@pytest.mark.parametrize("arch", TIMM_ARCHS)
def test_parameters_and_macs(timm_pair, arch):
    timm_model, ours = timm_pair(arch)
    assert count_params(ours) == count_params(timm_model)
    assert count_macs(ours, 256) == count_macs(timm_model, 256)


@pytest.mark.parametrize("arch", TIMM_ARCHS)
def test_names_both_ways(timm_pair, arch):
    timm_model, ours = timm_pair(arch)
    theirs, mine = timm_model.state_dict(), ours.state_dict()
    assert to_timm(mine, arch).keys() == theirs.keys()
    back = from_timm(theirs, arch, prefix="backbone.")
    assert back.keys() == mine.keys()
    assert all(torch.equal(back[key], mine[key]) for key in mine)
    backbone = ours.backbone.state_dict()
    assert from_timm(to_timm(backbone, arch), arch).keys() == backbone.keys()


@pytest.mark.parametrize("output_stride", [16, 8])
@pytest.mark.parametrize("arch", TIMM_ARCHS)
@torch.inference_mode()
def test_output_stride(timm_pair, arch, output_stride):
    """All maps of timm's `features_only`, whose last one comes after the 960 convolution."""
    timm = pytest.importorskip("timm")
    weights, classifier = timm_pair(arch)[0].state_dict(), timm_pair(arch)[1]
    name = TIMM_ARCHS[arch]
    theirs = timm.create_model(name, features_only=True, output_stride=output_stride).eval()
    theirs.load_state_dict({key: weights[key] for key in theirs.state_dict()}, assign=True)
    ours = MobileNetV4(arch, out_indices=range(5), output_stride=output_stride).eval()
    ours.load_state_dict(classifier.backbone.state_dict(), assign=True)
    image = images(1, 65, 97)
    *maps, last = ours(image)
    maps.append(classifier.head.expand(last))
    for mine, his in zip(maps, theirs(image), strict=True):
        torch.testing.assert_close(mine, his, **CLOSE)
    assert ours.strides == tuple(theirs.feature_info.reduction())
    assert ours.strides == tuple(min(s, output_stride) for s in (2, 4, 8, 16, 32))


@pytest.mark.parametrize("arch", ["conv_s", "hybrid_m"])
def test_drawn_like_timm(arch):
    """Same standard deviation, layer by layer, within what the number of weights allows.

    The last layer is TensorFlow's: even between -0.05 and 0.05, whatever the number of classes.
    """
    timm = pytest.importorskip("timm")
    theirs = from_timm(timm.create_model(TIMM_ARCHS[arch]).state_dict(), arch, prefix="backbone.")
    for key, mine in MobileNetV4Classifier(arch).state_dict().items():
        if mine.numel() > 500 and mine.is_floating_point() and mine.dim() > 1:
            tolerance = 4 / mine.numel() ** 0.5
            drawn = 0.1 / 12**0.5 if key == "head.fc.weight" else theirs[key].std().item()
            assert mine.std() == pytest.approx(drawn, rel=tolerance), key
        elif mine.dim() <= 1 and "fc" not in key:
            assert torch.equal(mine, theirs[key]), key


def test_drop_path_rates_are_timms():
    timm = pytest.importorskip("timm")
    theirs = timm.create_model(TIMM_ARCHS["hybrid_m"], drop_path_rate=0.3)
    ours = MobileNetV4("hybrid_m", drop_path_rate=0.3)
    expected = [m.drop_prob for m in theirs.modules() if type(m).__name__ == "DropPath"]
    rates = [
        block.drop_path.rate
        for stage in ours.stages
        for block in stage
        if getattr(block, "drop_path", None) is not None
    ]
    # timm also keeps an unused DropPath where there is no residual
    assert set(rates) < set(expected)
    assert rates[-1] == pytest.approx(0.3 * 30 / 32)
    assert rates == sorted(rates)


def test_other_architecture_is_named():
    state = MobileNetV4("conv_m", out_indices=(4,)).state_dict()
    with pytest.raises(InputError, match="another arch"):
        to_timm(state, "conv_s")
    with pytest.raises(InputError, match="another arch"):
        from_timm({"blocks.0.0.conv_dw.weight": torch.zeros(1)}, "conv_s")
