"""The bases of segmentation configs: data, schedules, options, the published recipes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DATA_SAMPLERS, DATASETS, MODELS, init_default_scope

from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import make_demo

ROOT = Path(__file__).resolve().parents[2]
LEAF = """
from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.{data} import *
    from .._base_.seg.{schedule} import *
    from .._base_.seg.{model} import *
    from .._base_.seg.demo import *
{more}
model.backbone.update(arch="conv_s_035", pretrained=None)
"""
CROPS = {
    "ade20k": (512, 512),
    "voc": (512, 512),
    "coco_stuff": (512, 512),
    "cityscapes": (1024, 512),
    "camvid": (480, 360),
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("recipes") / "demo", train=6, val=2, image_size=128)


@pytest.fixture(scope="module")
def leaf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    (folder / "_base_").symlink_to(ROOT / "configs" / "_base_")
    (folder / "seg").mkdir()

    def write(data="ade20k", schedule="finetune", model="lraspp_mnv4", options=(), text="") -> str:
        lines = "\n".join(f"    from .._base_.seg.{name} import *" for name in options)
        name = "_".join([data, schedule, model, *options, str(len(text))])
        file = folder / "seg" / f"{name}.py"
        more = f"{lines}\n{text}"
        file.write_text(LEAF.format(data=data, schedule=schedule, model=model, more=more))
        return str(file)

    return write


def prepare(config: str, **options):
    cfg, _ = prepare_config(RunOptions(config=config, **options), ())
    init_default_scope(cfg.default_scope)
    return cfg


def prepared_for(config: str, root: Path, **options):
    options = dict(data_root=str(root), batch_size=2) | options
    cfg, _ = prepare_config(RunOptions(config=config, **options), ("train", "val"))
    init_default_scope(cfg.default_scope)
    return cfg


@pytest.mark.parametrize("data", CROPS)
def test_data_base_gives_crops_of_its_size_with_labels(data, leaf, scenes):
    cfg = prepared_for(leaf(data=data), scenes)
    width, height = CROPS[data]
    assert cfg.image_size == (width, height)
    np.random.seed(0)
    sample = DATASETS.build(cfg.train_dataloader.dataset)[0]
    assert sample["inputs"].shape == (3, height, width)
    labels = sample["data_samples"].gt_sem_seg.data
    assert labels.shape == (1, height, width)
    assert set(labels.unique().tolist()) <= {*range(6), 255}
    assert len(labels.unique()) > 1
    image = DATASETS.build(cfg.val_dataloader.dataset)[0]["inputs"]
    # The square scene covers the size at which whole photos of this set are evaluated.
    side = max(2 * np.array(CROPS[data]) if data == "cityscapes" else CROPS[data])
    assert image.shape == (3, side, side)


def test_cityscapes_sees_the_papers_scales(leaf):
    cfg = prepare(leaf(data="cityscapes"))
    step = cfg.train_dataloader.dataset.pipeline[2]
    cover = max(step.scale[0] / 2048, step.scale[1] / 1024)
    assert [cover * ratio for ratio in step.ratio_range] == [0.5, 2.0]


@pytest.mark.parametrize("schedule", ["finetune", "cosine"])
def test_schedule_is_stretched_and_keeps_its_warm_up(schedule, leaf):
    cfg = prepare(leaf(schedule=schedule), epochs=20)
    warm_up, decay = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end, decay.begin, decay.end) == (0, 1, 1, 20)


def test_every_option_is_one_line_or_one_flag(leaf):
    names = ["class_balance", "class_weights", "ohem", "auxiliary"]
    by_line = prepare(leaf(options=names))
    by_flag = prepare(leaf(), cfg_options=dict.fromkeys(names, True))
    for cfg in (by_line, by_flag):
        assert step_name(cfg.train_dataloader.sampler) == "ClassBalancedSampler"
        assert step_name(cfg.custom_hooks[-1]) == "ClassWeightsHook"
        assert step_name(cfg.model.decode_head.sampler) == "HardPixelSampler"
        assert step_name(cfg.model.auxiliary_head) == "AuxiliaryHead"
        assert cfg.model.auxiliary_head.num_classes == cfg.model.decode_head.num_classes
    assert by_line.model.to_dict() == by_flag.model.to_dict()


def test_misspelt_value_of_an_option_is_an_error(leaf):
    with pytest.raises(InputError, match=r"unknown key ohem\.min_shar \(did you mean 'min_share'"):
        prepare(leaf(options=["ohem"]), cfg_options={"ohem.min_shar": 0.3})


@pytest.mark.parametrize("model", ["deeplabv3_mnv4", "deeplabv3plus_mnv4", "lraspp_mnv4"])
def test_auxiliary_head_follows_every_model_and_all_parameters_learn(model, leaf, scenes):
    cfg = prepared_for(leaf(model=model, options=["auxiliary"]), scenes, image_size=64)
    segmentor = MODELS.build(cfg.model).train()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    batch = [dataset[0], dataset[1]]
    data = segmentor.data_preprocessor(
        dict(inputs=[b["inputs"] for b in batch], data_samples=[b["data_samples"] for b in batch]),
        training=True,
    )
    losses = segmentor(**data, mode="loss")
    assert {"decode.loss_ce", "aux.loss_ce"} <= set(losses)
    segmentor.parse_losses(losses)[0].backward()
    assert not [name for name, p in segmentor.named_parameters() if p.grad is None]


def test_overfitting_draws_in_turn_whatever_the_options(leaf, scenes):
    cfg = prepared_for(leaf(options=["class_balance"]), scenes, overfit=2)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    sampler = DATA_SAMPLERS.build(
        cfg.train_dataloader.sampler, default_args=dict(dataset=dataset, seed=0)
    )
    assert len(list(sampler)) == len(dataset)


def test_iterations_are_kept_and_refuse_epochs_in_one_line(leaf):
    text = (
        "from mmengine.runner import IterBasedTrainLoop\n"
        "train_cfg = dict(type=IterBasedTrainLoop, max_iters=160000, val_interval=16000)\n"
    )
    assert prepare(leaf(text=text)).train_cfg.max_iters == 160000
    with pytest.raises(InputError, match=r"--epochs 3: this config counts iterations.*160000"):
        prepare(leaf(text=text), epochs=3)


def test_160k_recipe_is_mmsegs():
    cfg = prepare(str(ROOT / "configs/seg/deeplabv3plus_mnv4_conv_m_ade20k_160k.py"))
    steps = cfg.train_cfg.max_epochs * (20210 // cfg.train_dataloader.batch_size)
    assert steps == pytest.approx(160_000, rel=0.005)
    (poly,) = cfg.param_scheduler
    assert (poly.power, poly.eta_min, poly.begin, poly.end) == (0.9, 1e-4, 0, 127)
    optimizer = cfg.optim_wrapper.optimizer
    assert optimizer.type in (torch.optim.SGD, "torch.optim.SGD", "SGD")
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.01, 0.9, 0.0005)
    assert cfg.auto_scale_lr.base_batch_size == 16
    assert "PhotoMetricDistortion" in map(step_name, cfg.train_dataloader.dataset.pipeline)


def test_cityscapes_recipe_is_deeplabs():
    cfg = prepare(str(ROOT / "configs/seg/lraspp_mnv4_conv_m_cityscapes_paper.py"))
    steps = cfg.train_cfg.max_epochs * 2975 / cfg.train_dataloader.batch_size
    assert steps == pytest.approx(90_000, rel=0.001)
    step = cfg.train_dataloader.dataset.pipeline[2]
    assert step.scale == (769, 769)
    assert np.array(step.ratio_range) * 769 / 1024 == pytest.approx([0.5, 2.0])
    assert cfg.model.backbone.pretrained is None
