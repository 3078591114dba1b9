"""timm's networks as backbones: maps, weights and counts are timm's, options this toolkit's."""

import pytest
import torch
from torch import nn

from mnv4_vision.core.backbones import TimmBackbone, deploy
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_params
from mnv4_vision.core.weights.timm_zoo import timm_layout

timm = pytest.importorskip("timm")

# channels of C2 to C5
ZOO = {
    "mobilenetv1_100": (128, 256, 512, 1024),
    "mobilenetv2_100": (24, 32, 96, 320),
    "mobilenetv3_large_100": (24, 40, 112, 960),
    "mobilenetv3_small_100": (16, 24, 48, 576),
    "tf_mobilenetv3_large_minimal_100": (24, 40, 112, 960),
    "mobilenet_edgetpu_100": (32, 48, 96, 192),
    "mobilenet_edgetpu_v2_m": (64, 80, 192, 320),
    "mobileone_s0": (48, 128, 256, 1024),
    "mobileone_s1": (96, 192, 512, 1280),
    "mobileone_s2": (96, 256, 640, 2048),
    "mobileone_s3": (128, 320, 768, 2048),
    "mobileone_s4": (192, 448, 896, 2048),
    "mobilenetv5_base": (128, 256, 512, 1024),
    "efficientnet_b0": (24, 40, 112, 320),
}


def on_meta(name, **options):
    with torch.device("meta"):
        return TimmBackbone(name, **options)


@pytest.mark.parametrize("name", ZOO)
def test_maps_and_parameters_are_timms(name):
    backbone = on_meta(name)
    assert (backbone.out_channels, backbone.strides) == (ZOO[name], (4, 8, 16, 32))
    with torch.device("meta"):
        whole = timm.create_model(name).state_dict()
    found = timm_layout(whole, backbone)
    for key, value in backbone.state_dict().items():
        assert found[key].shape == value.shape, key
    assert len(found) == len(whole), "a tensor was taken twice"


@pytest.mark.parametrize("output_stride", [16, 8])
@pytest.mark.parametrize("name", ["mobilenetv3_large_100", "mobileone_s0"])
def test_output_stride_leaves_the_weights(name, output_stride):
    dilated = on_meta(name, output_stride=output_stride)
    assert dilated.strides == tuple(min(s, output_stride) for s in (4, 8, 16, 32))
    shapes = {key: value.shape for key, value in on_meta(name).state_dict().items()}
    assert {key: value.shape for key, value in dilated.state_dict().items()} == shapes


@torch.inference_mode()
def test_values_are_timms_and_networks_without_c1_keep_the_numbers():
    image = torch.rand(1, 3, 64, 96)
    for name, indices, positions in (
        ("mobilenetv3_small_100", (2, 4), (2, 4)),
        ("convnext_atto", (2, 4), (1, 3)),  # its first map is C2
    ):
        torch.manual_seed(0)
        expected = timm.create_model(name, features_only=True, out_indices=positions).eval()
        torch.manual_seed(0)
        backbone = TimmBackbone(name, out_indices=indices).eval()
        backbone.init_weights()
        for mine, theirs in zip(backbone(image), expected(image), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("mobilenetv3_small_100", "blocks.1."),
        ("mobileone_s0", "stages_1."),
        ("mobilenetv5_base", "blocks.1."),
    ],
)
def test_frozen_stages_end_with_their_map(name, last):
    backbone = on_meta(name, frozen_stages=2).train()
    frozen = [key for key, value in backbone.named_parameters() if not value.requires_grad]
    trained = [key for key, value in backbone.named_parameters() if value.requires_grad]
    assert frozen == [key for key, _ in backbone.named_parameters()][: len(frozen)]
    assert last in frozen[-1]
    assert last not in trained[0]
    for key, module in backbone.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training != any(name.startswith(key) for name in frozen)


def test_norm_eval_and_recomputation():
    backbone = TimmBackbone("mobilenetv2_100", norm_eval=True, with_cp=True).train()
    assert not any(m.training for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))
    image = torch.rand(1, 3, 32, 32)
    plain = TimmBackbone("mobilenetv2_100", norm_eval=True).train()
    plain.load_state_dict(backbone.state_dict())
    gradients = []
    for network in (backbone, plain):
        network(image)[-1].square().mean().backward()
        gradients.append(network.model.conv_stem.weight.grad)
    torch.testing.assert_close(*gradients)


# mnv4_facts 6.1: parameters of the deployed classifier, in millions
DEPLOYED = {"s0": 2.079, "s1": 4.765, "s2": 7.808, "s3": 10.078, "s4": 14.838}


@pytest.mark.parametrize("size", DEPLOYED)
def test_deployed_mobileone_has_the_published_number_of_parameters(size):
    backbone = TimmBackbone(f"mobileone_{size}", out_indices=(4,))
    linear = (backbone.out_channels[-1] + 1) * 1000
    total = count_params(deploy(backbone)) + linear
    assert total / 1e6 == pytest.approx(DEPLOYED[size], abs=0.001)


@torch.inference_mode()
def test_deployed_mobileone_computes_the_same():
    torch.manual_seed(0)
    backbone = TimmBackbone("mobileone_s0").eval()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.1)
    image = torch.rand(2, 3, 64, 64)
    small = deploy(backbone)
    assert count_params(small) < count_params(backbone) / 3
    for mine, branched in zip(small(image), backbone(image), strict=True):
        torch.testing.assert_close(mine, branched, rtol=1e-4, atol=1e-4 * branched.std().item())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(model_name="mobilenetv3_lrge_100"), r"did you mean 'mobilenetv3_large_100'"),
        (dict(model_name="mobilenetv1_100.ra4_e3600_r224_in1k"), r"pretrained='mobilenetv1_100\."),
        (dict(model_name="mobilenetv5_base", output_stride=16), r"output_stride=16"),
        (dict(model_name="convnext_atto", out_indices=(0, 1)), r"out of 1, 2, 3, 4"),
        (dict(model_name="mobilenetv2_100", out_indices=(3, 2)), r"rising"),
        (dict(model_name="mobilenetv2_100", frozen_stages=5), r"frozen_stages=5"),
        (dict(model_name="mobilenetv5_base", with_cp=True), r"with_cp=False"),
    ],
)
def test_wrong_settings_are_one_line(options, message):
    with pytest.raises(InputError, match=message) as error, torch.device("meta"):
        TimmBackbone(**options)
    assert "\n" not in str(error.value)
