import json

import pytest
import safetensors
import torch
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from safetensors.torch import load_file
from torch import nn

from mnv4_vision.core.backbones import MobileNetV4, MobileNetV4Classifier
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights import (
    convert,
    convert_from_timm,
    convert_to_timm,
    load_pretrained,
    normalisation_for,
)

ARCH, TIMM_NAME, NUM_CLASSES = "conv_s_035", "mobilenetv4_conv_small_035", 7


@pytest.fixture(scope="module")
def source():
    torch.manual_seed(1)
    model = MobileNetV4Classifier(ARCH, num_classes=NUM_CLASSES)
    for value in model.state_dict().values():
        if value.is_floating_point() and value.ndim == 1:
            value.uniform_(0.5, 1)
    return model.state_dict()


@pytest.fixture
def ours(source, tmp_path):
    path = tmp_path / "ours.pth"
    meta = {"arch": ARCH, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "source": "a run"}
    torch.save({"meta": meta, "state_dict": source}, path)
    return path


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_ours_to_timm_and_back_is_bit_equal(source, ours, tmp_path):
    timm = pytest.importorskip("timm")
    there, back = tmp_path / "timm.safetensors", tmp_path / "back.pth"
    report = convert_to_timm(ours, there)
    assert report.is_clean

    model = timm.create_model(TIMM_NAME, num_classes=NUM_CLASSES, checkpoint_path=str(there)).eval()
    assert model.load_state_dict(load_file(there), strict=True)
    own = MobileNetV4Classifier(ARCH, num_classes=NUM_CLASSES).eval()
    own.load_state_dict(source)
    images = torch.rand(2, 3, 70, 52)
    with torch.no_grad():
        expected = own(images)
        assert expected.isfinite().all()
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-5)

    convert_from_timm(there, back)
    assert_equal(torch.load(back)["state_dict"], source)
    assert torch.load(back)["meta"]["source"] == "a run"
    assert normalisation_for(str(there)) == normalisation_for(str(ours))
    assert normalisation_for(str(back)) == normalisation_for(str(ours))


def test_timm_to_ours_and_back_is_bit_equal(tmp_path):
    timm = pytest.importorskip("timm")
    state = timm.create_model("mobilenetv4_conv_small_050", num_classes=5).state_dict()
    start = tmp_path / "mobilenetv4_conv_small_050.e3000_r224_in1k.safetensors"
    safetensors.torch.save_file(state, start)
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back.safetensors"

    convert_from_timm(start, ours)
    with safetensors.safe_open(ours, framework="pt") as file:
        assert file.metadata()["arch"] == "conv_s_050"
        assert file.metadata()["source"] == "conv_s_050.e3000_r224_in1k"
    assert normalisation_for(str(ours))["mean"] == [127.5] * 3
    convert_to_timm(ours, back)
    assert_equal(load_file(back), state)


def test_settings_that_no_tensor_shows_are_told(source, tmp_path, monkeypatch):
    timm = pytest.importorskip("timm")
    said = []
    monkeypatch.setattr(convert, "print_log", lambda message, **_: said.append(message))
    config = "model = dict(backbone=dict(bn_eps=0.01, padding='same', drop_path_rate=0.1))"
    run, there = tmp_path / "run.pth", tmp_path / "timm.safetensors"
    torch.save({"meta": {"cfg": config, "arch": ARCH}, "state_dict": source}, run)
    convert_to_timm(run, there)
    with safetensors.safe_open(there, framework="pt") as file:
        arguments = json.loads(file.metadata()["timm_arguments"])
    assert arguments == {"bn_eps": 0.01, "pad_type": "same"}
    assert said == [
        f"{there}: give timm.create_model bn_eps=0.01, pad_type='same', or its outputs differ"
    ]

    own = MobileNetV4Classifier(ARCH, num_classes=NUM_CLASSES, bn_eps=0.01, padding="same").eval()
    own.load_state_dict(source)
    told, untold = (
        timm.create_model(
            TIMM_NAME, num_classes=NUM_CLASSES, checkpoint_path=str(there), **options
        ).eval()
        for options in (arguments, {})
    )
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = own(images)
        torch.testing.assert_close(told(images), expected, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(untold(images), expected, rtol=1e-2, atol=1e-5)


def test_parallel_models_are_recognised_whosever_names_they_have(source, ours, tmp_path):
    def parallel(state, path):
        torch.save({"module." + key: value for key, value in state.items()}, path)
        return path

    convert_to_timm(ours, tmp_path / "timm.pth")
    named = torch.load(tmp_path / "timm.pth")["state_dict"]
    timms = parallel(named, tmp_path / "timms.pth")
    convert_from_timm(timms, tmp_path / "back.pth", ARCH)
    assert_equal(torch.load(tmp_path / "back.pth")["state_dict"], source)
    refused(tmp_path, convert_to_timm, timms, tmp_path / "x.pth", match="timm's names already")
    convert_to_timm(parallel(source, tmp_path / "p.pth"), tmp_path / "again.pth", ARCH)
    assert_equal(torch.load(tmp_path / "again.pth")["state_dict"], named)


class TinyClassifier(BaseModel):
    def __init__(self):
        super().__init__()
        self.backbone = MobileNetV4(ARCH, out_indices=(4,))
        self.bbox_head = nn.Linear(self.backbone.out_channels[-1], 2)

    def forward(self, images, mode="tensor"):
        return {"loss": self.bbox_head(self.backbone(images)[-1].mean((2, 3))).square().mean()}


def test_checkpoint_of_a_run_gives_the_averaged_backbone(tmp_path):
    ema = EMAHook(momentum=0.5)
    runner = Runner(
        TinyClassifier(),
        str(tmp_path),
        train_dataloader=torch.utils.data.DataLoader(
            [{"images": x} for x in torch.rand(4, 3, 32, 32)], 2
        ),
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.5}},
        custom_hooks=[ema],
        cfg={"model": {"backbone": {"arch": ARCH}}},
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        log_level="ERROR",
    )
    runner.train()
    key = "stem.conv.weight"
    average = ema.ema_model.module.backbone.state_dict()[key]
    raw = runner.model.backbone.state_dict()[key]
    assert not torch.equal(average, raw)

    checkpoint = tmp_path / "epoch_1.pth"
    model = MobileNetV4(ARCH)
    report = load_pretrained(model, str(checkpoint), strict=True)
    assert torch.equal(model.state_dict()[key], average)
    assert {name.split(".")[0] for name in report.unused} == {"bbox_head"}

    report = convert_to_timm(checkpoint, tmp_path / "timm.safetensors")
    assert {name.split(".")[0] for name in report.missing} == {"head"}
    assert torch.equal(load_file(tmp_path / "timm.safetensors")["conv_stem.weight"], average)


def test_architecture_is_found_by_its_shapes_or_asked_for(source, tmp_path):
    torch.save(source, tmp_path / "plain.pth")
    assert convert_to_timm(tmp_path / "plain.pth", tmp_path / "out.pth").name == ARCH

    with torch.device("meta"):
        state = MobileNetV4("conv_m").state_dict()
    torch.save({k: torch.zeros_like(v, device="cpu") for k, v in state.items()}, tmp_path / "m.pth")
    with pytest.raises(InputError, match="fits conv_m, conv_aa_m, conv_blur_m: pass --arch"):
        convert_to_timm(tmp_path / "m.pth", tmp_path / "m.safetensors")
    convert_to_timm(tmp_path / "m.pth", tmp_path / "m.safetensors", arch="conv_m")
    with safetensors.safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        assert file.metadata()["arch"] == "conv_m"


def refused(tmp_path, convert, *args, match, **options):
    """Converting fails with `match` and leaves no new file behind."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=match):
        convert(*args, **options)
    assert sorted(tmp_path.iterdir()) == before


def test_refusals_leave_nothing_behind(source, ours, tmp_path):
    dst = tmp_path / "new.safetensors"
    incomplete = {key: value for key, value in source.items() if ".stages.3." not in key}
    torch.save(incomplete, tmp_path / "incomplete.pth")
    convert_to_timm(ours, tmp_path / "timm.safetensors")

    refused(tmp_path, convert_to_timm, ours, dst, "conv_m", match=r"ours\.pth: .* another arch")
    refused(tmp_path, convert_to_timm, ours, dst, "conv_s", match=r"not a complete conv_s: ")
    refused(tmp_path, convert_to_timm, ours, dst, "conv_z", match="unknown arch 'conv_z'")
    refused(tmp_path, convert_to_timm, ours, tmp_path / "new.onnx", match=r"\.safetensors, \.pth")
    refused(
        tmp_path, convert_to_timm, tmp_path / "incomplete.pth", dst, match="fits none of conv_s"
    )
    refused(
        tmp_path, convert_to_timm, tmp_path / "timm.safetensors", dst, match="timm's names already"
    )
    refused(tmp_path, convert_from_timm, ours, dst, match="does not have timm's names")
    refused(tmp_path, convert_to_timm, ours, ours / "below" / "new.pth", match="cannot write")


def test_failed_write_keeps_the_old_file(ours, tmp_path, monkeypatch):
    dst = tmp_path / "timm.pth"
    dst.write_bytes(b"old")

    def full(content, path):
        path.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    refused(tmp_path, convert_to_timm, ours, dst, match=r"cannot write .*timm\.pth")
    assert dst.read_bytes() == b"old"
