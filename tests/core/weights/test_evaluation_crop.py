"""The crop that weights are evaluated with is timm's."""

import json

import pytest
import timm
import torch

from mnv4_vision.core.weights import CATALOGUE, evaluation_crop
from mnv4_vision.core.weights.files import save

OTHERS = ("mobilenetv3_large_100.ra4_e3600_r224_in1k", "mobileone_s1", "efficientnet_b0.ra_in1k")


@pytest.mark.parametrize("name", [*CATALOGUE, *OTHERS])
def test_crop_is_timms(name):
    timm_name = CATALOGUE[name].timm_name if name in CATALOGUE else name
    cfg = timm.get_pretrained_cfg(timm_name)
    size, test_size = cfg.input_size[-1], (cfg.test_input_size or cfg.input_size)[-1]
    test_crop = cfg.test_crop_pct or cfg.crop_pct
    trained = {"crop_pct": cfg.crop_pct, "interpolation": cfg.interpolation}
    tested = {"crop_pct": test_crop, "interpolation": cfg.interpolation}
    assert evaluation_crop(name, test_size) == tested
    if size < test_size:
        assert evaluation_crop(name, size) == trained


@pytest.mark.parametrize(("size", "crop_pct"), [(224, 0.875), (256, 0.95)])
def test_files_of_published_weights_have_their_crop(tmp_path, size, crop_pct):
    """Converted, downloaded with timm's `config.json`, or named as in the catalogue."""
    tensors, source = {"x": torch.zeros(1)}, "conv_s.e2400_r224_in1k"
    save(tmp_path / "converted.safetensors", tensors, {"source": source})
    save(tmp_path / f"{CATALOGUE[source].timm_name}.pth", tensors, {})
    downloaded = tmp_path / "hub" / "model.safetensors"
    downloaded.parent.mkdir()
    save(downloaded, tensors, {})
    settings = vars(timm.get_pretrained_cfg(CATALOGUE[source].timm_name))
    (downloaded.parent / "config.json").write_text(json.dumps({"pretrained_cfg": settings}))
    files = [*tmp_path.glob("*.safetensors"), *tmp_path.glob("*.pth"), downloaded.parent]
    assert len(files) == 3
    for file in files:
        assert evaluation_crop(str(file), size) == evaluation_crop(source, size)
        assert evaluation_crop(str(file), size)["crop_pct"] == crop_pct


@pytest.mark.parametrize("name", [None, "./classifier.pth"])
def test_nothing_is_known_of_others(name):
    assert evaluation_crop(name, 224) == {}
