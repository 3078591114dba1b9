"""LR-ASPP and DeepLab's pyramid against other people's code with the same weights."""

import pytest
import torch
from mmseg.models.decode_heads.aspp_head import ASPPModule
from torch import nn
from torchvision.models.segmentation.lraspp import LRASPPHead

from mnv4_vision.core.backbones.layers import ConvNormAct
from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.models import DeepLabHead, MobileLRASPPHead
from mnv4_vision.seg.models.deeplab import SeparableASPP


def make_lively(model):
    torch.manual_seed(0)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias)
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 1.5)
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.xavier_normal_(conv.weight, 2.0)
            if conv.bias is not None:
                nn.init.normal_(conv.bias)
    return model.eval()


@pytest.mark.parametrize("sizes", [((17, 23), (9, 12)), ((16, 16), (8, 8))])
@torch.inference_mode()
def test_lraspp_is_torchvisions(sizes):
    """Its features are upsampled, ours are the logits: the same but for rounding."""
    ours = make_lively(MobileLRASPPHead([24, 40], 16, num_classes=7))
    theirs = LRASPPHead(24, 40, 7, 16).eval()
    theirs.cbr[0].load_state_dict(ours.high.conv.state_dict())
    theirs.cbr[1].load_state_dict(ours.high.bn.state_dict())
    theirs.scale[1].load_state_dict(ours.gate.state_dict())
    theirs.low_classifier.load_state_dict(ours.low_classifiers[0].state_dict())
    theirs.high_classifier.load_state_dict(ours.conv_seg.state_dict())
    low, high = torch.randn(2, 24, *sizes[0]), torch.randn(2, 40, *sizes[1])
    expected = theirs({"low": low, "high": high})
    assert expected.std() > 0.5
    torch.testing.assert_close(ours([low, high]), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_aspp_is_a_concatenation_of_five_branches():
    """The pooled branch is added; written out, it is concatenated and copied for every pixel."""
    ours = make_lively(SeparableASPP(12, 8, (2, 3)))
    x = torch.randn(2, 12, 9, 11)
    pooled = ours.pool(x.mean((2, 3), keepdim=True)).expand(-1, -1, 9, 11)
    maps = torch.cat([pooled, *(branch(x) for branch in ours.branches)], 1)
    weight = torch.cat([ours.project_pool.weight, ours.project.weight], 1)
    expected = nn.functional.conv2d(maps, weight)
    torch.testing.assert_close(ours(x), ours.norm(expected).relu(), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_atrous_branch_is_mmsegs_separable_one():
    """Same layers; mmseg's ASPPModule stands in for the dense convolution of the same rate."""
    ours = make_lively(SeparableASPP(12, 8, (3,))).branches[1]
    depthwise, pointwise = ours
    assert isinstance(pointwise, ConvNormAct)
    dense = ASPPModule((3,), 12, 12, None, dict(type="BN"), dict(type="ReLU"))[0].eval()
    weight = torch.zeros(12, 12, 3, 3)
    weight[range(12), range(12)] = depthwise.conv.weight[:, 0]
    dense.conv.weight.data = weight
    dense.bn.load_state_dict(depthwise.bn.state_dict())
    x = torch.randn(1, 12, 9, 11)
    torch.testing.assert_close(depthwise(x), dense(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("output_stride", "rates"), [(16, [6, 12, 18]), (8, [12, 24, 36])])
def test_rates_follow_the_output_stride(output_stride, rates):
    head = DeepLabHead([24, 40], 16, output_stride=output_stride, num_classes=3)
    convs = [branch[0].conv for branch in list(head.aspp.branches)[1:]]
    assert [conv.dilation for conv in convs] == [(rate, rate) for rate in rates]
    assert [conv.padding for conv in convs] == [(rate, rate) for rate in rates]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (dict(norm_cfg=dict(type="SyncBN")), "has no use for norm_cfg.*sync_bn"),
        (dict(input_transform="resize_concat"), "has no use for input_transform"),
        (dict(dilations=(0, 6)), r"dilations=\(0, 6\); it takes rates from 1"),
        (dict(dilations=()), r"dilations=\(\)"),
    ],
)
def test_settings_without_effect_are_refused(setting, words):
    with pytest.raises(InputError, match=words):
        DeepLabHead([24, 40], 16, num_classes=3, **setting)
