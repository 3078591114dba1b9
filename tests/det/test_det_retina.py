"""RetinaNet for mobile: sizes as published, convolutions shared by the levels, norms not."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from mnv4_vision.core.engine import load_config
from mnv4_vision.core.measure import count_macs, count_params
from mnv4_vision.det import SeparableConv2d, SeparableFPN

# Parameters and MACs at 384 px, 80 classes. The paper's Conv-M (9.79 M, 5.06 G) counts the
# classifier's unused 960 and 1280 layers too.
SIZES = {
    "conv_s": (2_315_988, 3.060e9),
    "conv_m": (8_187_844, 4.952e9),
    "conv_l": (30_895_260, 8.889e9),
    "hybrid_m": (9_546_980, 5.499e9),
    "hybrid_l": (36_069_020, 10.224e9),
}


def build(arch: str, device: str = "cpu"):
    cfg = load_config(f"configs/det/retina_mnv4_{arch}.py").model
    cfg.backbone.pretrained = None
    init_default_scope("mmdet")
    with torch.device(device):
        return MODELS.build(cfg)


@pytest.mark.parametrize("arch", SIZES)
def test_parameters_and_macs(arch):
    model = build(arch, "meta")
    params, macs = SIZES[arch]
    assert count_params(model) == params
    assert count_macs(model, (3, 384, 384)) == pytest.approx(macs, rel=1e-3)


def test_levels_share_convolutions_but_not_norms():
    head = build("conv_s").bbox_head
    for branch in (head.cls_convs, head.reg_convs):
        for level in range(1, 5):
            for first, other in zip(branch[0], branch[level], strict=True):
                assert other.conv is first.conv
                assert other.bn is not first.bn


def test_scores_start_at_the_prior():
    model = build("conv_s")
    model.init_weights()
    model.train()
    with torch.no_grad():
        scores, _ = model(torch.randn(2, 3, 128, 128), mode="tensor")
    for level in scores:
        assert level.sigmoid().mean().item() == pytest.approx(0.01, rel=0.2)


def test_separable_convolution_is_depthwise_then_pointwise():
    conv = SeparableConv2d(4, 6, 3, stride=2, padding=1, bias=False)
    x = torch.randn(2, 4, 9, 7)
    depthwise = torch.nn.functional.conv2d(x, conv.depthwise.weight, stride=2, padding=1, groups=4)
    expected = torch.einsum("oc,bchw->bohw", conv.pointwise.weight[..., 0, 0], depthwise)
    torch.testing.assert_close(conv(x), expected)
    assert not hasattr(SeparableConv2d(4, 6, 1), "depthwise")
    with pytest.raises(ValueError, match="groups=2"):
        SeparableConv2d(4, 6, 3, groups=2)


def test_fpn_levels_halve_and_have_sensible_scale():
    neck = SeparableFPN([8, 16, 24], 32)
    neck.init_weights()
    neck.train()
    maps = neck([torch.randn(4, c, 64 // s, 64 // s) for c, s in ((8, 2), (16, 4), (24, 8))])
    assert [m.shape[1:] for m in maps] == [(32, n, n) for n in (32, 16, 8, 4, 2)]
    for level in maps:
        assert 0.3 < level.std() < 3
