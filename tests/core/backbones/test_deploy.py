import pytest
import torch
from backbone_helpers import images, make_lively
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from torch import nn

from mnv4_vision.core.backbones import ARCHS, MobileNetV4Classifier, deploy
from mnv4_vision.core.backbones.layers import DropPath, LayerScale
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_params


def norms(model):
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("arch", ARCHS)
@torch.inference_mode()
def test_equal_outputs(lively, arch):
    model = lively(arch)
    deployed = deploy(model)
    image = images(1, 65, 96)
    expected = model(image)
    assert expected.std() > 0.1
    torch.testing.assert_close(deployed(image), expected, rtol=0, atol=1e-4)
    features, expected = deployed.backbone(image)[0], model.backbone(image)[0]
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-4)
    assert deployed.backbone.out_channels == model.backbone.out_channels
    assert deployed.backbone.strides == model.backbone.strides


@pytest.mark.parametrize("arch", ARCHS)
def test_nothing_needless_is_left(arch):
    with torch.device("meta"):
        deployed = deploy(MobileNetV4Classifier(arch, drop_path_rate=0.1))
    # only norms that zero padding separates from their convolution stay: the /16 attentions
    assert len(norms(deployed)) == (4 if arch.startswith("hybrid") else 0)
    assert not [m for m in deployed.modules() if isinstance(m, DropPath | LayerScale)]
    assert not any(p.requires_grad for p in deployed.parameters())
    assert not deployed.training


@torch.inference_mode()
def test_input_layout_does_not_matter(lively):
    model = lively("hybrid_m")
    image = images(1, 64, 96)
    expected = model.backbone(image)[0]
    for channels_last in (True, False):
        deployed = deploy(model.backbone, channels_last=channels_last)
        for layout in (torch.contiguous_format, torch.channels_last):
            out = deployed(image.to(memory_format=layout))[0]
            torch.testing.assert_close(out, expected, rtol=0, atol=1e-4)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert deployed(image)[0].is_contiguous(memory_format=layout)


@torch.inference_mode()
def test_deploying_twice_changes_nothing(lively):
    once = deploy(lively("hybrid_m"))
    image = images(1, 64, 64)
    for onednn in (False, True):
        twice = deploy(once, onednn=onednn)
        torch.testing.assert_close(twice(image), once(image), rtol=0, atol=1e-4)
    assert deploy(once).state_dict().keys() == once.state_dict().keys()


def test_original_stays_as_it_is():
    model = make_lively(MobileNetV4Classifier("hybrid_m", num_classes=2)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    deploy(model)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_same_padding_and_dilation():
    model = MobileNetV4Classifier("conv_s", num_classes=4, padding="same", output_stride=16)
    make_lively(model)
    image = images(1, 67, 64)
    deployed = deploy(model)
    assert not norms(deployed)
    torch.testing.assert_close(deployed(image), model(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", ["conv_s", "conv_m_seg", "conv_blur_m", "hybrid_l_075"])
@torch.inference_mode()
def test_onednn(lively, arch):
    """ReLU, ReLU6, a filter after the activation, GELU and attention."""
    model = lively(arch)
    packed = deploy(model, onednn=True)
    assert not [m for m in packed.modules() if type(m) is nn.Conv2d]
    for size in [(64, 64), (65, 96), (64, 64)]:
        image = images(1, *size)
        torch.testing.assert_close(packed(image), model(image), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_onednn_packs_for_any_number_of_shapes():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    packed = deploy(model, onednn=True)
    for width in [*range(1, 12), 1]:
        image = torch.randn(1, 3, 2, width)
        torch.testing.assert_close(packed(image), model(image))
    assert len(packed[0]._packed) == 8


def test_onednn_needs_float32():
    with pytest.raises(InputError, match="float32 network on a CPU"):
        deploy(nn.Conv2d(3, 4, 3).bfloat16(), onednn=True)


def test_mmcv_and_sequential():
    bn = {"type": "BN"}
    model = nn.Sequential(
        ConvModule(3, 8, 3, norm_cfg=bn),
        DepthwiseSeparableConvModule(8, 8, 3, norm_cfg=bn, act_cfg={"type": "ReLU6"}),
        ConvModule(8, 8, 3, norm_cfg=bn, conv_cfg={"type": "ConvAWS"}),  # not a plain convolution
        ConvModule(8, 8, 1, norm_cfg=bn, order=("norm", "conv", "act")),
        nn.Conv2d(8, 4, 1, bias=True),
        nn.BatchNorm2d(4, affine=False),
        nn.ReLU(),
    )
    make_lively_norms(model)
    deployed = deploy(model)
    assert len(norms(deployed)) == 2
    image = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(deployed(image), model(image), rtol=1e-4, atol=1e-5)
    packed = deploy(model, onednn=True)
    fused = [m for m in packed.modules() if isinstance(m, ConvModule) and not m.with_activation]
    assert fused == [packed[0], packed[1].depthwise_conv, packed[1].pointwise_conv]
    with torch.inference_mode():
        torch.testing.assert_close(packed(image), model(image), rtol=1e-4, atol=1e-5)


def test_shared_convolution_keeps_its_norms():
    """RetinaSepBNHead: one convolution, a norm per level."""
    levels = nn.ModuleList(ConvModule(4, 4, 3, norm_cfg={"type": "BN"}) for _ in range(3))
    for level in levels[1:]:
        level.conv = levels[0].conv
    own = ConvModule(4, 4, 1, norm_cfg={"type": "BN"})
    model = nn.ModuleDict({"levels": levels, "own": own})
    make_lively_norms(model)
    deployed = deploy(model)
    assert len(norms(deployed)) == 3
    assert len({id(level.conv) for level in deployed["levels"]}) == 1
    packed = deploy(model, onednn=True)
    assert len({id(level.conv) for level in packed["levels"]}) == 1
    x = torch.randn(1, 4, 6, 7)
    with torch.inference_mode():
        torch.testing.assert_close(packed["levels"][1](x), levels[1](x))
    for before, after in zip(levels, deployed["levels"], strict=True):
        torch.testing.assert_close(after(x), before(x))
    torch.testing.assert_close(deployed["own"](x), own(x))
    assert count_params(deployed) == count_params(model) - 4  # own: 8 of the norm become 4 biases


def test_sequence_that_computes_more_is_not_folded():
    class Doubled(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    plain, doubled = (ConvModule(4, 4, 1, norm_cfg={"type": "BN"}) for _ in range(2))
    plain.conv, doubled.conv = nn.Sequential(plain.conv), Doubled(doubled.conv)
    model = nn.Sequential(plain, doubled)
    make_lively_norms(model)
    deployed = deploy(model)
    assert [len(norms(m)) for m in deployed] == [0, 1]
    x = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(deployed(x), model(x), rtol=1e-4, atol=1e-5)


def make_lively_norms(model):
    torch.manual_seed(0)
    for norm in norms(model):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        if norm.affine:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    model.eval()
