"""timm's other networks: their weights by name from the hub, their normalisation, wrong files."""

from functools import partial

import pytest
import safetensors.torch
import torch

from mnv4_vision.core.backbones import TimmBackbone
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights import download, load, load_pretrained, normalisation_for
from mnv4_vision.core.weights.timm_zoo import default_timm_weights

timm = pytest.importorskip("timm")

NAME = "mobilenetv3_small_100.lamb_in1k"


@pytest.fixture
def weights(tmp_path):
    """Return timm's whole network and a file of its weights."""
    torch.manual_seed(1)
    network = timm.create_model("mobilenetv3_small_100").eval()
    safetensors.torch.save_file(network.state_dict(), tmp_path / "model.safetensors")
    return network, tmp_path / "model.safetensors"


def test_weights_come_from_the_hub_by_name(hub, weights, monkeypatch, tmp_path):
    network, file = weights
    there = partial(download, endpoint=hub.endpoint, cache_dir=tmp_path)
    monkeypatch.setattr(load, "download", there)
    hub.files["timm/mobilenetv3_small_100.lamb_in1k/model.safetensors"] = file.read_bytes()
    backbone = TimmBackbone("mobilenetv3_small_100", out_indices=(4,), pretrained=NAME).eval()
    backbone.init_weights()
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(
            backbone(image)[0], network.forward_intermediates(image, intermediates_only=True)[-1]
        )


def test_only_the_classifier_is_unused(weights):
    _, file = weights
    report = load_pretrained(TimmBackbone("mobilenetv3_small_100"), str(file), strict=True)
    assert report.is_clean
    assert {key.partition(".")[0] for key in report.unused} == {"conv_head", "classifier"}


def test_backbone_of_a_task_models_checkpoint(weights, tmp_path):
    trained = TimmBackbone("mobileone_s0", out_indices=(4,))
    state = {f"backbone.{key}": value for key, value in trained.state_dict().items()}
    torch.save({"state_dict": state | {"neck.weight": torch.ones(1)}}, tmp_path / "epoch_1.pth")
    fresh = TimmBackbone("mobileone_s0", out_indices=(2, 4))
    report = load_pretrained(fresh, str(tmp_path / "epoch_1.pth"))
    assert report.is_clean
    assert report.unused == ("neck.weight",)
    loaded = fresh.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in trained.state_dict().items())


def test_normalisation_is_the_weights():
    assert normalisation_for(NAME)["mean"] == [123.675, 116.28, 103.53]
    assert normalisation_for("mobilenetv1_100")["std"] == [127.5] * 3


def test_default_weights():
    assert default_timm_weights("mobilenetv3_small_100") == NAME
    assert default_timm_weights("mobilenet_edgetpu_100") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mobilenetv3_small_100.lamb", r"it has .*mobilenetv3_small_100\.lamb_in1k"),
        ("mobilenet_edgetpu_100", r"it has none: train from scratch"),
    ],
)
def test_weights_that_nobody_publishes(name, message):
    with pytest.raises(InputError, match=message):
        normalisation_for(name)


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(InputError, match=r"model\.safetensors does not fit.*mobilenetv1_100"):
        load_pretrained(TimmBackbone("mobilenetv1_100"), str(weights[1]))
