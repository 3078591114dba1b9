"""Published files: what is in them, that they are readable wherever a checkpoint is, refusals."""

import hashlib
import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from trained_classifier import ARCH, CLASSES, TIMM, model_config, save_classifier, train_classifier

from mnv4_vision import __version__
from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.core.engine import find_checkpoint, load_checkpoint_checked, read_history
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.core.weights import (
    convert_to_timm,
    evaluation_crop,
    load_pretrained,
    normalisation_for,
    publish,
)
from mnv4_vision.core.weights.config_text import model_text, step_in, value_in


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "my_run"
    train_classifier(folder)
    return folder


@pytest.fixture(scope="module")
def published(work_dir, tmp_path_factory):
    return publish(work_dir, tmp_path_factory.mktemp("weights"), licence="mit")


def load(path):
    return torch.load(path, weights_only=False)


def metadata(path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def test_the_averaged_weights_of_the_best_checkpoint_and_nothing_else(work_dir, published):
    best = load(find_checkpoint(work_dir))
    found = load_file(published.path)
    assert found.keys() == best["state_dict"].keys()
    assert all(torch.equal(found[key], value) for key, value in best["state_dict"].items())
    stem = "backbone.stem.conv.weight"
    assert not torch.equal(found[stem], best["ema_state_dict"]["module." + stem])
    assert published.num_parameters == sum(
        v.numel() for v in found.values() if v.ndim or v.is_floating_point()
    )
    assert published.size_bytes == published.path.stat().st_size
    assert published.size_bytes < 0.55 * (work_dir / "epoch_2.pth").stat().st_size / 2


def test_name_is_that_of_the_run_with_the_hash(published):
    digest = hashlib.sha256(published.path.read_bytes()).hexdigest()
    assert published.sha256 == digest
    assert published.path.name == f"my_run-{digest[:8]}.safetensors"
    assert torch.hub.HASH_REGEX.search(published.path.name)[1] == digest[:8]


def test_metadata(work_dir, published):
    found = metadata(published.path)
    cfg = found.pop("cfg")
    best = find_checkpoint(work_dir)
    text = load(best)["meta"]["cfg"]
    epoch = load(best)["meta"]["epoch"]
    (row,) = [
        row
        for row in read_history(work_dir / "metrics.jsonl")
        if row["mode"] == "val" and row["epoch"] == epoch
    ]
    assert json.loads(found.pop("metrics")) == {"cls/sure": row["cls/sure"]}
    assert found == {
        "format": "pt",
        "mnv4_vision": __version__,
        "task": "classification",
        "arch": ARCH,
        "dataset_meta": json.dumps({"classes": CLASSES}),
        "mean": "[0.2, 0.4, 0.6]",
        "std": "[0.1, 0.2, 0.2]",
        "image_size": "[32, 32]",
        "crop_pct": "0.9",
        "epoch": str(epoch),
        "cfg_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "source": best.name,
        "licence": "mit",
    }
    assert "arch='conv_s_035'" in cfg
    assert str(work_dir) in text
    assert str(work_dir).encode() not in published.path.read_bytes()


def test_equal_input_gives_equal_bytes(work_dir, published, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(work_dir, copy)
    for attempt in "ab":
        again = publish(find_checkpoint(copy), tmp_path / attempt, licence="mit")
        assert again.path.name == f"{attempt}-{published.sha256[:8]}.safetensors"
        assert again.path.read_bytes() == published.path.read_bytes()


def test_publishing_what_is_published_changes_the_licence_alone(published, tmp_path):
    same = publish(published.path, tmp_path / "same.safetensors")
    assert same.sha256 == published.sha256
    other = publish(published.path, tmp_path / "other", licence="apache-2.0")
    assert other.sha256 != same.sha256
    assert metadata(other.path) == metadata(same.path) | {"licence": "apache-2.0"}


def test_metrics_are_those_of_the_weights(work_dir, tmp_path):
    """A checkpoint that is not the best holds the metrics of an earlier epoch."""
    rows = [r for r in read_history(work_dir / "metrics.jsonl") if r["mode"] == "val"]
    assert rows[0]["cls/sure"] != rows[1]["cls/sure"]
    content = load(work_dir / "epoch_2.pth")
    info = content["message_hub"]["runtime_info"]
    info.update(best_ckpt="/runs/best_cls_sure_epoch_1.pth", last_metrics={"cls/sure": 0.5})
    torch.save(content, tmp_path / "lone.pth")
    assert "metrics" not in publish(tmp_path / "lone.pth", tmp_path / "x").meta
    shutil.copy(work_dir / "metrics.jsonl", tmp_path)
    meta = publish(tmp_path / "lone.pth", tmp_path / "x").meta
    assert meta["metrics"] == {"cls/sure": rows[1]["cls/sure"]}


def test_reads_as_the_checkpoint_does(work_dir, published, tmp_path):
    best = find_checkpoint(work_dir)
    assert find_checkpoint(published.path.parent) == published.path
    assert normalisation_for(str(published.path)) == normalisation_for(str(best))
    for path in (best, published.path):
        assert evaluation_crop(str(path), 32) == {"crop_pct": 0.9}

    images, outputs = torch.rand(2, 3, 32, 32), []
    for path in (best, published.path):
        model = MODELS.build(model_config()).eval()
        meta = load_checkpoint_checked(model, path, classes=CLASSES)
        assert list(meta["dataset_meta"]["classes"]) == list(CLASSES)
        outputs.append(model(images))
    assert torch.equal(*outputs)
    with pytest.raises(InputError, match="trained for the classes cat, dog, owl"):
        load_checkpoint_checked(model, published.path, classes=("dog", "cat", "owl"))

    backbone = MobileNetV4(ARCH)
    report = load_pretrained(backbone, str(published.path), strict=True)
    assert report.unused == tuple(
        key
        for key in load_file(published.path)
        if key.startswith("head.") and not key.endswith("num_batches_tracked")
    )
    timms = [
        convert_to_timm(p, tmp_path / f"{i}.safetensors")
        for i, p in enumerate((best, published.path))
    ]
    assert timms[0].matched == timms[1].matched
    states = [load_file(tmp_path / f"{i}.safetensors") for i in range(2)]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_timm_network(tmp_path):
    pytest.importorskip("timm")
    save_classifier(tmp_path / "run.pth", timm=True)
    meta = publish(tmp_path / "run.pth", tmp_path / "zoo").meta
    assert meta["model_name"] == TIMM
    assert "arch" not in meta


def test_colours_of_a_segmenter_are_kept_one_for_each_class(tmp_path):
    data = {"classes": ("road", "tree"), "palette": [(1, 2, 3), (4, 5, 6), (7, 8, 9)]}
    torch.save(
        {"meta": {"dataset_meta": data}, "state_dict": {"w": torch.ones(2)}}, tmp_path / "s.pth"
    )
    meta = publish(tmp_path / "s.pth", tmp_path / "seg").meta
    assert meta["dataset_meta"] == {"classes": ["road", "tree"], "palette": [[1, 2, 3], [4, 5, 6]]}


def test_layers_that_share_their_weights(tmp_path):
    weight = torch.rand(3, 3)
    torch.save({"a": weight, "b": weight, "c": weight[:1].T}, tmp_path / "shared.pth")
    found = load_file(publish(tmp_path / "shared.pth", tmp_path / "out").path)
    assert all(torch.equal(found[key], weight) for key in "ab")
    assert torch.equal(found["c"], weight[:1].T)


def test_config_text_without_folders():
    text = "data_root = '/data/x'\nmodel = dict(a=dict(pretrained='/srv/me/w.pth', arch='conv_s'))"
    assert model_text(text) == "model = dict(a=dict(pretrained='w.pth', arch='conv_s'))"
    assert model_text("model = (") == ""
    for path in ("file:///home/me/w.pth", r"C:\users\me\w.pth", "~/w.pth"):
        assert model_text(f"model = {path!r}") == "model = 'w.pth'"
    assert value_in(text, "data_root") == "/data/x"
    assert value_in(text, "model") is None
    assert step_in("x = [dict(type='a.B', n=1), dict(type='B', n=2)]", "B") == {
        "type": "a.B",
        "n": 1,
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"optimizer": {}, "epoch": 3}, r"bad\.pth holds no named tensors: it is not a checkpoint"),
        ({"state_dict": {}, "meta": {}}, r"bad\.pth holds no named tensors"),
        ({"w": torch.tensor([1.0, float("nan")])}, r"bad\.pth: w holds NaN"),
        ({"w": torch.eye(3).to_sparse()}, r"bad\.pth: w is not an ordinary tensor"),
        ({"w": torch.empty(3, device="meta")}, r"bad\.pth: w is not an ordinary tensor"),
    ],
)
def test_refused_checkpoints(content, says, tmp_path):
    torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=says):
        publish(tmp_path / "bad.pth", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]


def test_refused_places(work_dir, published, tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        publish(tmp_path / "nowhere", tmp_path)
    with pytest.raises(MissingFileError, match="holds no weights"):
        publish(tmp_path, tmp_path / "out")
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(InputError, match=r"text\.pth is damaged or not a weights file"):
        publish(tmp_path / "text.pth", tmp_path)
    with pytest.raises(
        InputError, match=r"cannot publish as .*x\.pth: the format is \.safetensors"
    ):
        publish(work_dir, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"cannot write .*text\.pth"):
        publish(work_dir, tmp_path / "text.pth" / "x")
    there = tmp_path / f"y-{published.sha256[:8]}.safetensors"
    there.write_bytes(published.path.read_bytes()[:-1])
    with pytest.raises(InputError, match="exists with other content"):
        publish(work_dir, tmp_path / "y", licence="mit")
    save_file({"a": torch.ones(1)}, tmp_path / "z.safetensors")
    assert publish(tmp_path / "z.safetensors", tmp_path / "z").path.name.startswith("z-")


def test_tool(work_dir, published, tmp_path, monkeypatch, capsys):
    tools = Path(__file__).resolve().parents[3] / "tools"
    monkeypatch.syspath_prepend(str(tools))

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["weights.py", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(tools / "weights.py"), run_name="__main__")
        return end.value.code, *capsys.readouterr()

    status, output, _ = run("publish", work_dir, tmp_path / "v1", "--licence", "mit")
    lines = output.splitlines()
    assert status == 0
    assert lines[0] == f"{tmp_path}/v1-{published.sha256[:8]}.safetensors"
    assert lines[1] == f"SHA-256 {published.sha256}"
    assert f"arch: {ARCH}" in lines
    status, output, errors = run("publish", tmp_path / "nowhere", tmp_path)
    assert (status, output) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
