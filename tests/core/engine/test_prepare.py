"""From flags to the resolved config: every flag lands, every mistake is one line."""

import pytest

from mnv4_vision.core.engine import RunOptions, load_config, prepare_config
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
