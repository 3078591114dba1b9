"""Classification on the common tools: what flags and data do to a config."""

import itertools
from pathlib import Path

import pytest
import torch

from mnv4_vision.cls import ImageDataset
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import datasets_of, step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import make_demo

ROOT = Path(__file__).resolve().parents[2]
FINETUNE = str(ROOT / "configs/cls/mnv4_conv_s.py")
SCRATCH = str(ROOT / "configs/cls/mnv4_conv_s_scratch.py")


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    return make_demo(tmp_path_factory.mktemp("demo") / "set", train=24, val=8, image_size=64)


def prepare(config=FINETUNE, splits=(), **options):
    return prepare_config(RunOptions(config=config, **options), splits=splits)[0]


def steps_of(cfg, split: str) -> dict:
    (dataset,) = datasets_of(cfg, (split,))
    return {step_name(step): step for step in dataset.pipeline}


def test_data_root_names_data_and_classes(demo):
    cfg = prepare(data_root=str(demo), pretrained="none", batch_size=8, splits=("train", "val"))
    assert cfg.model.head.num_classes == 5
    (train,), (val,) = (list(datasets_of(cfg, (split,))) for split in ("train", "val"))
    assert (train.split, val.split) == ("train", "val")
    assert train.metainfo.classes == val.metainfo.classes


def test_crop_and_normalisation_are_those_of_the_weights():
    for size, crop_pct in ((224, 0.875), (256, 0.95)):  # of conv_s.e2400_r224_in1k
        step = steps_of(prepare(image_size=size), "test")["EvalCrop"]
        assert (step.crop_pct, step.interpolation) == (crop_pct, "bicubic")
        assert tuple(step.scale) == (size, size)
    half = prepare(pretrained="conv_s.e3600_r256_in1k").model.data_preprocessor
    assert list(half.mean) == [127.5] * 3


def test_a_crop_in_the_config_stays():
    options = {"test_dataloader.dataset.pipeline.1.crop_pct": 1.0}
    assert steps_of(prepare(cfg_options=options), "test")["EvalCrop"].crop_pct == 1.0


def test_a_checkpoint_is_tested_with_its_own_crop(tmp_path):
    """And not with that of the weights that the config would start from."""
    text = 'test_pipeline = [dict(type="mnv4_vision.cls.EvalCrop", crop_pct=0.7)]'
    checkpoint = tmp_path / "epoch_1.pth"
    torch.save({"meta": {"cfg": text}, "state_dict": {"a": torch.zeros(1)}}, checkpoint)
    cfg, _ = prepare_config(RunOptions(config=FINETUNE), splits=(), checkpoint=checkpoint)
    assert steps_of(cfg, "test")["EvalCrop"].crop_pct == 0.7


@pytest.mark.parametrize(
    ("backbone", "head", "features"),
    [("hybrid_m", "MobileNetV4Head", 256), ("mobilenetv3_large_100", "TimmHead", None)],
)
def test_another_backbone_brings_its_head(backbone, head, features):
    cfg = prepare(SCRATCH, backbone=backbone)
    assert step_name(cfg.model.head) == head
    assert cfg.model.head.get("in_channels") == features
    assert cfg.model.backbone.pretrained is None
    assert cfg.work_dir.endswith(f"mnv4_conv_s_scratch_{backbone}")


def test_overfit_trains_on_what_it_validates(demo):
    cfg = prepare(SCRATCH, data_root=str(demo), overfit=4, splits=("train", "val"))
    (train,), (val,) = (list(datasets_of(cfg, (split,))) for split in ("train", "val"))
    assert train.indices == val.indices == 4
    assert train.split == val.split == "train"
    assert list(steps_of(cfg, "train")) == ["LoadImage", "EvalCrop", "PackImage"]
    assert cfg.model.mixing is None
    assert cfg.train_dataloader.dataset.times * 4 == 20 * cfg.train_dataloader.batch_size


def test_demo_is_small_and_from_scratch(demo):
    cfg = prepare(data_root=str(demo), demo=True, splits=("train", "val"))
    assert cfg.model.backbone.pretrained is None
    assert tuple(cfg.image_size) == (128, 128)
    assert cfg.train_cfg.max_epochs == 30


def test_wrong_number_of_classes_is_one_line(demo):
    options = {"model.head.num_classes": 7}
    with pytest.raises(InputError, match=r"model\.head has 7 classes.*leave"):
        prepare(SCRATCH, data_root=str(demo), cfg_options=options, splits=("train", "val"))


def test_fewer_images_than_a_step_is_one_line(demo):
    with pytest.raises(InputError, match=r"24 train images.*--batch-size"):
        prepare(SCRATCH, data_root=str(demo), batch_size=64, splits=("train", "val"))


def test_paper_recipes_are_table_10():
    """Batch, peak learning rate, decay, warm-up, RandAugment and the rest of the five models."""
    rows = {
        "conv_s": (4096, 2e-3, 0.01, 5, 9600, 0.3, 0.0, 0.5, 9, None),
        "conv_m": (4096, 4e-3, 0.1, 5, 500, 0.2, 0.075, 0.7, 15, None),
        "hybrid_m": (16384, 0.016, 0.1, 20, 500, 0.2, 0.075, 0.7, 15, None),
        "conv_l": (16384, 4e-3, 0.2, 20, 500, 0.2, 0.35, 1.0, 15, 0.3),
        "hybrid_l": (16384, 0.01, 0.2, 20, 500, 0.2, 0.35, 1.0, 15, 0.3),
    }
    for arch, row in rows.items():
        cfg = prepare(str(ROOT / f"configs/cls/mnv4_{arch}_paper.py"))
        optimizer, augment = cfg.optim_wrapper.optimizer, steps_of(cfg, "train")["RandAugment"]
        warm_up, cosine = cfg.param_scheduler
        mixing = cfg.model.get("mixing")
        assert row == (
            *(cfg.auto_scale_lr.base_batch_size, optimizer.lr, optimizer.weight_decay),
            *(warm_up.end, cosine.end, cfg.model.head.drop_rate),
            *(cfg.model.backbone.drop_path_rate, augment.prob, augment.magnitude),
            mixing and mixing.prob,
        )
        assert cfg.train_cfg.max_epochs == cosine.end
        assert warm_up.end == cosine.begin
        assert cfg.model.loss.label_smoothing == 0.1
        assert ("ema" in cfg.default_hooks) == (arch == "conv_s")
        assert optimizer.betas[0] == (0.6 if arch == "conv_s" else 0.9)
        assert cosine.get("eta_min_ratio") == (0.001 if arch == "hybrid_l" else None)
        assert "DecayGroups" in str(cfg.optim_wrapper.constructor)


def test_a_number_of_images_is_spread_over_the_classes(tmp_path):
    for split, name in itertools.product(("train", "val"), ("boots", "coats", "hats")):
        (tmp_path / split / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / split / name / f"{number}.jpg").touch()
    for indices, labels in (
        (3, [0, 1, 2]),
        (6, [0, 0, 1, 1, 2, 2]),
        (99, [0] * 4 + [1] * 4 + [2] * 4),
    ):
        data = ImageDataset(tmp_path, indices=indices)
        assert [data.get_data_info(i)["gt_label"] for i in range(len(data))] == labels
    chosen = ImageDataset(tmp_path, indices=[0, 5], metainfo={"classes": ("hats", "boots")})
    assert [chosen.get_data_info(i)["gt_label"] for i in range(2)] == [1, 0]
