"""From flags to the resolved config: every flag lands, every mistake is one line."""

import pytest
import torch

from mnv4_vision.core.engine import RunOptions, load_config, prepare_config
from mnv4_vision.core.engine.amp import set_amp
from mnv4_vision.core.engine.prepare import set_epochs
from mnv4_vision.core.engine.task import build_task, pipelines_of, replace_value
from mnv4_vision.core.errors import InputError, MissingFileError

CONFIG = "configs/det/retina_mnv4_conv_s.py"


def prepare(config=CONFIG, **options):
    return prepare_config(RunOptions(config=str(config), **options), splits=())[0]


def test_flags_land_in_the_config():
    cfg = prepare(pretrained="none", batch_size=3, seed=7, work_dir="out", image_size=256)
    assert cfg.model.backbone.pretrained is None
    assert cfg.train_dataloader.batch_size == 3
    assert cfg.randomness.seed == 7
    assert cfg.work_dir == "out"
    sizes = {str(step.get(key)) for pipeline in pipelines_of(cfg) for step in pipeline
             for key in ("scale", "size", "crop_size") if key in step}  # fmt: skip
    assert sizes == {"(256, 256)"}
    assert prepare().work_dir == "work_dirs/retina_mnv4_conv_s"


def test_epochs_stretch_the_schedule():
    cfg = load_config(CONFIG)
    set_epochs(cfg, 6)
    warm_up, cosine = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == 6
    assert (warm_up.begin, warm_up.end) == (0, 1)
    assert (cosine.begin, cosine.end) == (1, 6)
    set_epochs(cfg, 2)
    assert warm_up.end == cosine.begin == pytest.approx(0.4)
    assert cosine.end == 2


def test_normalisation_is_that_of_the_weights():
    inception = prepare(pretrained="conv_s.e3600_r256_in1k").model.data_preprocessor
    assert inception.mean == pytest.approx([127.5] * 3)
    imagenet = prepare(pretrained="none").model.data_preprocessor
    assert imagenet.mean == pytest.approx([123.675, 116.28, 103.53])
    assert imagenet.bgr_to_rgb


def test_neck_follows_another_backbone():
    cfg = prepare(cfg_options={"model.backbone.arch": "conv_l", "model.backbone.pretrained": None})
    assert cfg.model.neck.in_channels == [96, 192, 512]


def test_image_size_as_an_override_reaches_the_pipelines():
    cfg = prepare(cfg_options={"image_size": 128})
    assert tuple(cfg.test_dataloader.dataset.pipeline[1].scale) == (128, 128)


def test_resolved_config_prepares_to_itself(tmp_path):
    cfg = prepare(pretrained="none", work_dir="out")
    cfg.dump(tmp_path / "config.py")
    again = prepare(tmp_path / "config.py", work_dir="out")
    assert type(build_task(again.task)).__name__ == "DetectionTask"
    again.dump(tmp_path / "again.py")
    assert (tmp_path / "config.py").read_text() == (tmp_path / "again.py").read_text()


def test_replace_value_goes_to_any_depth():
    tree = {"a": (1, 2), "b": [{"c": [1, 2]}, (2, 1)]}
    replace_value(tree, (1, 2), (3, 4))
    assert tree == {"a": (3, 4), "b": [{"c": (3, 4)}, (2, 1)]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(cfg_options={"model.backbone.drop_path_rat": 0.1}), "drop_path_rate"),
        (dict(cfg_options={"model.bakbone.arch": "conv_m"}), "did you mean 'backbone'"),
        (dict(cfg_options={"optim_wraper.optimizer.lr": 1}), "did you mean 'optim_wrapper'"),
        (dict(cfg_options={"model.backbone.arch": "conv_x"}), "conv_x.*conv_s"),
        (dict(pretrained="conv_s.e2400_r225_in1k"), "conv_s.e2400_r224_in1k"),
        (dict(data_root="nowhere"), "nowhere"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(options, message):
    with pytest.raises(InputError, match=message) as error:
        prepare(**options)
    assert "\n" not in str(error.value)


def test_config_that_is_not_there():
    with pytest.raises(MissingFileError, match=r"did you mean 'configs/det/retina_mnv4_conv_m.py'"):
        prepare("configs/det/retina_mnv4_conv_mm.py")


def test_broken_config_names_file_and_line(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("a = 1\nb = (\n")
    with pytest.raises(InputError, match=r"broken\.py, line 2"):
        prepare(broken)


@pytest.mark.parametrize("start", ["OptimWrapper", "AmpOptimWrapper", "Bf16OptimWrapper"])
@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("amp", [None, False, True])
def test_amp_chooses_the_wrapper_of_this_machine(monkeypatch, start, gpu, amp):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    cfg = load_config(CONFIG)
    cfg.optim_wrapper.update(type=start, loss_scale="dynamic")
    set_amp(cfg, amp)
    on = gpu if amp is None else amp
    expected = "OptimWrapper" if not on else "AmpOptimWrapper" if gpu else "Bf16OptimWrapper"
    assert cfg.optim_wrapper.type == expected
    assert ("loss_scale" in cfg.optim_wrapper) == (expected == "AmpOptimWrapper")


def test_typed_normalisation_is_kept():
    cfg = prepare(cfg_options={"model.data_preprocessor.mean": [1.0, 2.0, 3.0]})
    assert cfg.model.data_preprocessor.mean == [1.0, 2.0, 3.0]


def test_work_dir_of_a_run_is_kept(tmp_path):
    prepare(work_dir="out/run").dump(tmp_path / "config.py")
    assert prepare(tmp_path / "config.py").work_dir == "out/run"


def test_launcher_and_torchrun_belong_together(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(InputError, match="start it with torchrun"):
        prepare(launcher="pytorch")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="pass --launcher pytorch"):
        prepare()


def test_checkpoint_given_as_config(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "epoch_1.pth")
    with pytest.raises(InputError, match="is it a checkpoint"):
        prepare(tmp_path / "epoch_1.pth")


def test_training_flags_land_in_the_config(monkeypatch):
    cfg = prepare(accumulate=4, freeze_bn=True, early_stop=3)
    assert cfg.optim_wrapper.accumulative_counts == cfg.default_hooks.ema.interval == 4
    assert cfg.model.backbone.norm_eval
    assert cfg.default_hooks.early_stop == dict(type="EarlyStopHook", patience=3)
    with pytest.raises(InputError, match="this backbone has none"):
        prepare(freeze_bn=True, pretrained="none")


def test_amp_types(monkeypatch):
    cfg = load_config(CONFIG)
    with pytest.raises(InputError, match="fp16 needs a GPU"):
        set_amp(cfg, None, "fp16")
    with pytest.raises(InputError, match="contradict"):
        set_amp(cfg, False, "bf16")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for dtype, scale in (("fp16", "dynamic"), ("bf16", {"enabled": False}), (None, "dynamic")):
        set_amp(cfg, True, dtype)
        assert cfg.optim_wrapper.type == "AmpOptimWrapper"
        assert cfg.optim_wrapper.loss_scale == scale or dtype is None
    set_amp(cfg, None, "bf16")
    set_amp(cfg, None)  # of a run's own config: the type stays
    assert cfg.optim_wrapper.dtype == "bfloat16"
