"""A classifier's weights in a detector and a segmenter: with one key, mean and std included."""

import shutil

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from trained_classifier import ARCH, MEAN, STD, TIMM, save_classifier

from mnv4_vision.core.backbones import TimmBackbone
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.inference import resolved_config
from mnv4_vision.core.weights import LoadReport, load, load_pretrained, publish

CONFIGS = {
    "cls": "configs/cls/mnv4_conv_s_scratch.py",
    "det": "configs/det/ssdlite_mnv4_conv_s.py",
    "seg": "configs/seg/lraspp_mnv4_conv_s.py",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Work dirs of a classifier of each kind of backbone, and the classifiers."""
    root, models = tmp_path_factory.mktemp("runs"), {}
    for name in ("own", "timm"):
        (root / name).mkdir()
        models[name] = save_classifier(root / name / "best_cls_top1_epoch_3.pth", name == "timm")
        (root / name / "epoch_4.pth").write_bytes(b"")  # never read: the best is meant
    return root, models


def reports(monkeypatch) -> list[LoadReport]:
    found = []
    monkeypatch.setattr(LoadReport, "log", lambda report: found.append(report))
    return found


def built(cfg):
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model.eval()


@pytest.mark.parametrize(
    ("source", "kind", "task"),
    [
        ("published", "own", "cls"),
        ("work dir", "own", "det"),
        ("published", "own", "det"),
        ("published", "timm", "det"),
        ("checkpoint", "own", "seg"),
        ("checkpoint", "timm", "seg"),
        ("key", "own", "seg"),
    ],
)
def test_backbone_and_normalisation_reach_another_task(
    run, source, kind, task, monkeypatch, tmp_path
):
    root, models = run
    path = root / kind
    if source != "work dir":
        path = path / "best_cls_top1_epoch_3.pth"
    if source == "published":
        path = publish(path, tmp_path / "weights").path
    swap = dict(backbone=TIMM) if kind == "timm" else {}
    keys = {} if swap else {"model.backbone.arch": ARCH}
    if task == "seg":
        keys["model.backbone.output_stride"] = 32  # as the classifier's, to compare the outputs
    if source == "key":
        keys["model.backbone.pretrained"] = str(path)
    else:
        swap["pretrained"] = str(path)
    cfg, _ = prepare_config(RunOptions(CONFIGS[task], cfg_options=keys, **swap), splits=())
    preprocessor = cfg.model.data_preprocessor
    assert (preprocessor.mean, preprocessor.std) == (MEAN, STD)

    found = reports(monkeypatch)
    model = built(cfg)
    (report,) = found
    head = {key for key in models[kind].state_dict() if key.startswith("head.")}
    assert report.is_clean
    assert set(report.unused) == {k for k in head if not k.endswith("num_batches_tracked")}
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.backbone(images)[-1], models[kind].backbone(images)[-1])


@pytest.mark.parametrize("task", ["cls", "det"])
def test_config_of_the_run_needs_the_weights_no_more(run, task, tmp_path):
    """Mean and std are in it, so that it outlives the file that it started from."""
    source = shutil.copy(run[0] / "own" / "best_cls_top1_epoch_3.pth", tmp_path / "w.pth")
    options = RunOptions(
        CONFIGS[task], pretrained=str(source), cfg_options={"model.backbone.arch": ARCH}
    )
    prepare_config(options, splits=())[0].dump(tmp_path / "config.py")
    (tmp_path / "w.pth").unlink()
    assert resolved_config(tmp_path / "config.py").model.data_preprocessor.mean == MEAN


def test_deeper_classifier_than_the_task_needs(tmp_path):
    deep, shallow = (TimmBackbone("test_byobnet", out_indices=(i,)) for i in (4, 2))
    state = {f"backbone.{key}": value for key, value in deep.state_dict().items()}
    torch.save(state | {"head.fc.weight": torch.ones(1)}, tmp_path / "deep.pth")
    report = load_pretrained(shallow, str(tmp_path / "deep.pth"), strict=True)
    extra = {
        key.removeprefix("model.") for key in deep.state_dict().keys() - shallow.state_dict().keys()
    }
    assert {key for key in extra if not key.endswith("num_batches_tracked")} == {
        key for key in report.unused if key != "head.fc.weight"
    }
    assert len(report.unused) > 1


def test_checkpoint_of_another_network_is_refused(run):
    with pytest.raises(load.InputError, match="the model is timm's mobilenetv3_large_100"):
        load_pretrained(TimmBackbone("mobilenetv3_large_100"), str(run[0] / "timm"))
    with pytest.raises(load.InputError, match=r"does not fit: 0 of \d+ tensors match"):
        load_pretrained(TimmBackbone(TIMM), str(run[0] / "own"))
