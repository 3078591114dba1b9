"""The deployed detector: separable convolutions of the neck folded, shared ones of the head not."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from torch import nn

from mnv4_vision.core.backbones import deploy
from mnv4_vision.core.engine import load_config


def norms(model):
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.fixture(scope="module")
def detector():
    """Return a detector whose norms have the statistics of activations: as built they are idle."""
    torch.manual_seed(0)
    cfg = load_config("configs/det/retina_mnv4_conv_s.py").model
    cfg.backbone.pretrained = None
    init_default_scope("mmdet")
    model = MODELS.build(cfg)
    for norm in norms(model):
        nn.init.uniform_(norm.weight, 0.4, 0.8)
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 128, 128), mode="tensor")
    for norm in norms(model):  # a channel that hardly moved would amplify rounding without bound
        norm.running_var.clamp_(min=norm.running_var.mean())
    return model.eval()


@pytest.mark.parametrize("onednn", [False, True])
@torch.inference_mode()
def test_deployed_detector(detector, onednn):
    deployed = deploy(detector, onednn=onednn)
    assert len(norms(detector.neck)) == 8
    assert not norms(deployed.backbone)
    assert not norms(deployed.neck)
    assert len(norms(deployed.bbox_head)) == 2 * 4 * 5  # branches, convolutions, levels
    image = torch.randn(1, 3, 96, 128)
    for maps, expected in zip(
        deployed(image, mode="tensor"), detector(image, mode="tensor"), strict=True
    ):
        for level, reference in zip(maps, expected, strict=True):
            spread = reference.std().item()
            assert spread > 0.01
            torch.testing.assert_close(level, reference, rtol=0, atol=1e-3 * spread)
