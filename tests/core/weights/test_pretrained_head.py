"""A classifier's pretrained weights bring the head along, as far as it fits the new classes."""

import pytest
import timm
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from trained_classifier import ARCH, TIMM, model_config, save_classifier

from mnv4_vision.core.weights.catalogue import TIMM_ARCHS


def fine_tuned(path, of_timm: bool, num_classes: int):
    model = ConfigDict(model_config(of_timm))
    model.backbone.pretrained, model.head.num_classes = str(path), num_classes
    torch.manual_seed(5)
    made = MODELS.build(model)
    before = {key: value.clone() for key, value in made.head.state_dict().items()}
    made.init_weights()
    return made.eval(), before


@pytest.mark.parametrize("of_timm", [False, True])
def test_other_classes_keep_all_but_the_last_layer(tmp_path, of_timm):
    trained = save_classifier(tmp_path / "run.pth", of_timm)
    made, drawn = fine_tuned(tmp_path / "run.pth", of_timm, num_classes=7)
    last = {"fc.weight", "fc.bias", "network.classifier.weight", "network.classifier.bias"}
    for key, value in made.head.state_dict().items():
        expected = drawn if key in last else trained.head.state_dict()
        assert torch.equal(value, expected[key]), key
    assert len(last & drawn.keys()) == 2


@pytest.mark.parametrize("of_timm", [False, True])
def test_as_many_classes_keep_the_whole_classifier(tmp_path, of_timm):
    trained = save_classifier(tmp_path / "run.pth", of_timm)
    made, _ = fine_tuned(tmp_path / "run.pth", of_timm, num_classes=3)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(made(images), trained(images))


@pytest.mark.parametrize("of_timm", [False, True])
def test_timms_own_file_gives_timms_logits(tmp_path, of_timm):
    torch.manual_seed(2)
    network = timm.create_model(TIMM if of_timm else TIMM_ARCHS[ARCH], num_classes=3).eval()
    torch.save(network.state_dict(), tmp_path / "timm.pth")
    made, _ = fine_tuned(tmp_path / "timm.pth", of_timm, num_classes=3)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(made(images), network(images), rtol=1e-4, atol=1e-5)
