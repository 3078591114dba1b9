"""Publishing MobileOne in its form for inference: fewer numbers, the same outputs."""

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS
from trained_classifier import model_config, save_classifier

from mnv4_vision.core.engine import load_checkpoint_checked
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights import publish
from mnv4_vision.core.weights.config_text import settings_in

pytest.importorskip("timm")
NAME = "mobileone_s0"


def mobileone(**backbone) -> ConfigDict:
    model = ConfigDict(model_config(timm=True))
    model.backbone.update(model_name=NAME, **backbone)
    model.head.update(model_name=NAME)
    return model


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(3)
    model = MODELS.build(mobileone())
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    meta = {"cfg": Config(dict(model=mobileone())).pretty_text}
    torch.save({"meta": meta, "state_dict": model.state_dict()}, tmp_path / "run.pth")
    return tmp_path / "run.pth", model.eval()


def test_outputs_stay_and_branches_go(checkpoint, tmp_path):
    path, model = checkpoint
    done = publish(path, tmp_path / "joined", join_branches=True)
    assert settings_in(done.meta["cfg"], "backbone")["reparameterized"] is True
    joined = MODELS.build(mobileone(reparameterized=True)).eval()
    load_checkpoint_checked(joined, done.path)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(joined(images), model(images), rtol=1e-4, atol=1e-4)
    # 2.08 M with its own classifier of 1000 classes (MobileOne's Table 9); here it has 3.
    assert sum(p.numel() for p in joined.parameters()) == 2_078_504 - 1025 * (1000 - 3)


def test_networks_of_one_branch_are_refused(tmp_path):
    save_classifier(tmp_path / "v3.pth", timm=True)
    with pytest.raises(InputError, match="mobilenetv3_small_100 has no branches to join"):
        publish(tmp_path / "v3.pth", tmp_path / "out", join_branches=True)
    save_classifier(tmp_path / "own.pth")
    with pytest.raises(InputError, match="names no timm network"):
        publish(tmp_path / "own.pth", tmp_path / "out", join_branches=True)
    assert not list(tmp_path.glob("out*"))
