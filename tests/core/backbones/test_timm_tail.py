"""MobileNetV3's customs: C4 tapped in its expansion, the channels behind it halved."""

import copy

import pytest
import torch

from mnv4_vision.core.backbones import TimmBackbone, deploy
from mnv4_vision.core.backbones.timm_backbone import reparameterize
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_params

timm = pytest.importorskip("timm")

# stage and channels of the expansion: layers 13 and 9 of the paper, 18 of MobileNetEdgeTPU
TAPS = {
    "mobilenetv3_large_100": (5, 672),
    "mobilenetv3_small_100": (4, 288),
    "mobilenet_edgetpu_100": (5, 768),
}


@pytest.mark.parametrize("name", TAPS)
@torch.inference_mode()
def test_c4_is_the_expansion_of_the_block_behind_it(name):
    stage, channels = TAPS[name]
    tapped = TimmBackbone(name, out_indices=(2, 3, 4), expanded_c4=True).eval()
    assert tapped.out_channels[1] == channels
    plain = TimmBackbone(name, out_indices=(2, 3, 4)).eval()
    plain.load_state_dict(tapped.state_dict())
    image = torch.rand(1, 3, 64, 96)
    c3, expansion, c5 = tapped(image)
    expected = plain(image)
    assert torch.equal(c3, expected[0])
    assert torch.equal(c5, expected[2])
    block = plain.model.blocks[stage][0]
    assert block.conv_dw.stride == (2, 2)
    torch.testing.assert_close(expansion, block.bn1(block.conv_pw(expected[1])))
    for copied in (copy.deepcopy(tapped), deploy(tapped)):
        torch.testing.assert_close(copied(image)[1], expansion, rtol=1e-3, atol=1e-3)


def test_the_tap_passes_gradients_and_holds_no_map():
    backbone = TimmBackbone("mobilenetv3_small_100", out_indices=(3,), expanded_c4=True)
    backbone(torch.rand(2, 3, 64, 64))[0].square().mean().backward()
    assert backbone.model.blocks[4][0].conv_pw.weight.grad.any()
    assert backbone.model.blocks[4][0].conv_dw.weight.grad is None  # behind it
    copy.deepcopy(backbone)  # fails on a map with a graph


@pytest.mark.parametrize("size", ["large", "small"])
def test_halved_behind_the_expansion_as_torchvision_reduces_its_tail(size):
    from torchvision.models import mobilenetv3

    settings, _ = mobilenetv3._mobilenet_v3_conf(f"mobilenet_v3_{size}", reduced_tail=True)
    with torch.device("meta"):
        theirs = mobilenetv3.MobileNetV3(settings, 8).features
        ours = TimmBackbone(f"mobilenetv3_{size}_100", expanded_c4=True, halved_tail=True)
    assert count_params(ours) == count_params(theirs)
    assert ours.out_channels[-1] == theirs[-1].out_channels


def test_halved_from_the_expansion_on():
    with torch.device("meta"):
        whole = TimmBackbone("mobilenetv3_large_100").state_dict()
        halved = TimmBackbone("mobilenetv3_large_100", halved_tail=True, output_stride=16)
    assert halved.out_channels == (24, 40, 112, 480)
    sizes = {key: tuple(value.shape) for key, value in halved.state_dict().items()}
    assert sizes.keys() == whole.keys()
    changed = {key.removeprefix("model.") for key in sizes if sizes[key] != whole[key].shape}
    assert all(key.startswith(("blocks.5", "blocks.6")) for key in changed)
    assert sizes["model.blocks.5.0.conv_pw.weight"] == (336, 112, 1, 1)
    assert sizes["model.blocks.5.0.conv_dw.weight"] == (336, 1, 5, 5)
    assert sizes["model.blocks.5.0.se.conv_reduce.weight"] == (84, 336, 1, 1)
    assert sizes["model.blocks.5.2.conv_pwl.weight"] == (80, 480, 1, 1)


def test_halved_layers_start_with_timms_variance():
    torch.manual_seed(0)
    model = TimmBackbone("mobilenetv3_large_100", halved_tail=True).model
    for conv in (model.blocks[6][0].conv, model.blocks[5][1].conv_pw):
        assert conv.weight.std().item() == pytest.approx((2 / conv.out_channels) ** 0.5, rel=0.02)
    depthwise = model.blocks[5][1].conv_dw
    assert depthwise.weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.05)


@torch.inference_mode()
def test_saved_reparameterised_weights_are_loaded_into_that_form():
    torch.manual_seed(0)
    branched = TimmBackbone("mobileone_s0", out_indices=(4,)).train()
    with torch.enable_grad():
        branched(torch.rand(4, 3, 64, 64))  # statistics
    branched.eval()
    image = torch.rand(1, 3, 64, 64)
    expected = branched(image)[0]
    reparameterize(torch.nn.Sequential(branched))
    loaded = TimmBackbone("mobileone_s0", out_indices=(4,), reparameterized=True).eval()
    assert count_params(loaded) == count_params(deploy(TimmBackbone("mobileone_s0")))
    loaded.load_state_dict(branched.state_dict())
    spread = expected.std().item()
    torch.testing.assert_close(loaded(image)[0], expected, rtol=1e-4, atol=1e-4 * spread)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(model_name="mobilenetv5_base", expanded_c4=True), r"is not an inverted residual"),
        (dict(model_name="mobileone_s0", halved_tail=True), r"mobileone_s0, halved_tail"),
        (dict(model_name="mobilenetv3_small_100", expanded_c4=True, out_indices=(2, 4)), r"C4"),
    ],
)
def test_networks_without_such_a_tail_are_refused(options, message):
    with pytest.raises(InputError, match=message), torch.device("meta"):
        TimmBackbone(**options)
