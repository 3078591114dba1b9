"""timm's networks deployed: the same outputs without norms, and none folded that must stay."""

import pytest
import torch
from torch import nn

from mnv4_vision.core.backbones import TimmBackbone, deploy
from mnv4_vision.core.backbones.timm_fold import fold_timm

timm = pytest.importorskip("timm")


def lively(network):
    """Draw statistics, so that a norm does something, and affine parameters."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("mobilenetv3_small_100", 0),
        ("tf_mobilenetv3_small_minimal_100", 0),  # timm's own convolution, padded as TensorFlow's
        ("mobileone_s0", 0),
        ("resnetv2_18", 9),  # norms of sums come before the convolutions
    ],
)
@torch.inference_mode()
def test_folded_networks_compute_the_same(name, left):
    torch.manual_seed(0)
    network = lively(timm.create_model(name))
    image = torch.rand(1, 3, 64, 64)
    expected = network(image)
    fold_timm(network)
    assert norms(network) == left
    torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-4 * expected.abs().max())


@torch.inference_mode()
def test_a_backbone_is_folded_by_deploy():
    torch.manual_seed(0)
    backbone = lively(TimmBackbone("mobilenetv3_small_050"))
    image = torch.rand(1, 3, 64, 64)
    deployed = deploy(backbone)
    assert (norms(backbone), norms(deployed)) == (34, 0)
    for mine, theirs in zip(deployed(image), backbone(image), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4 * theirs.abs().max())
    deploy(deployed)  # nothing is left to do


class Tiny(nn.Module):
    """A convolution whose norm may not be folded: read twice, run twice, hooked or returned."""

    pretrained_cfg = {"input_size": (3, 8, 8)}

    def __init__(self, case):
        super().__init__()
        self.case = case
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        if case == "hooked":
            self.conv.register_forward_hook(lambda *_: None)

    def forward(self, x):
        x = self.conv(x)
        if self.case == "run twice":
            x = self.conv(x)
        y = self.bn(x)
        if self.case == "returned":
            return x, y
        return x + y if self.case == "read twice" else y


@pytest.mark.parametrize(
    ("case", "left"),
    [("plain", 0), ("read twice", 1), ("run twice", 1), ("hooked", 1), ("returned", 1)],
)
@torch.inference_mode()
def test_a_norm_stays_where_folding_would_change_something(case, left):
    torch.manual_seed(0)
    network = lively(Tiny(case))
    image = torch.rand(1, 3, 8, 8)
    expected = network(image)
    fold_timm(network)
    assert norms(network) == left
    torch.testing.assert_close(network(image), expected)
