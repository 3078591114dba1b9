"""The augmentation recipes: they build, follow `--image-size`, repeat, and mosaic ends in time."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.datasets import MultiImageMixDataset
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, HOOKS, init_default_scope

from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import make_demo
from mnv4_vision.det import CloseMosaicHook

ROOT = Path(__file__).resolve().parents[2]
LEAF = """
from mmengine.config import read_base

with read_base():
    from .._base_.det.{recipe} import *
    from .._base_.det.finetune import *
    from .._base_.det.retina_mnv4 import *
    from .._base_.runtime import *
"""
RECIPES = ["coco", "ssd_augment", "mosaic"]
SIZE = 96


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("augment") / "demo", train=12, val=4, image_size=128)


@pytest.fixture(scope="module")
def leaf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    (folder / "_base_").symlink_to(ROOT / "configs" / "_base_")
    (folder / "det").mkdir()

    def write(recipe: str) -> str:
        file = folder / "det" / f"{recipe}.py"
        file.write_text(LEAF.format(recipe=recipe))
        return str(file)

    return write


def prepare(leaf, recipe, scenes, **options):
    options = dict(data_root=str(scenes), pretrained="none", batch_size=4) | options
    cfg, _ = prepare_config(RunOptions(config=leaf(recipe), **options), ("train", "val"))
    init_default_scope("mmdet")
    return cfg


def draw(dataset, seed: int) -> list[tuple]:
    np.random.seed(seed)
    items = [dataset[index] for index in range(len(dataset))]
    return [(item["inputs"], item["data_samples"].gt_instances) for item in items]


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_gives_images_of_the_size_asked_for_with_boxes_inside(recipe, leaf, scenes):
    cfg = prepare(leaf, recipe, scenes, image_size=SIZE)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    num_boxes = 0
    for image, instances in draw(dataset, 0):
        assert image.shape == (3, SIZE, SIZE)
        assert image.dtype == torch.uint8
        boxes = instances.bboxes.tensor
        assert len(boxes) == len(instances.labels)
        assert (boxes >= 0).all()
        assert (boxes <= SIZE).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        num_boxes += len(boxes)
    assert num_boxes > len(dataset)


@pytest.mark.parametrize("recipe", RECIPES)
def test_numpy_seed_decides_everything(recipe, leaf, scenes):
    dataset = DATASETS.build(
        prepare(leaf, recipe, scenes, image_size=SIZE).train_dataloader.dataset
    )
    first, again, other = draw(dataset, 1), draw(dataset, 1), draw(dataset, 2)
    for (image, instances), (same, same_instances) in zip(first, again, strict=True):
        assert torch.equal(image, same)
        assert torch.equal(instances.bboxes.tensor, same_instances.bboxes.tensor)
    assert not torch.equal(first[0][0], other[0][0])


@pytest.mark.parametrize("recipe", RECIPES)
def test_overfitting_is_without_augmentation(recipe, leaf, scenes):
    cfg = prepare(leaf, recipe, scenes, image_size=SIZE, overfit=2)
    names = [step_name(step) for step in cfg.train_dataloader.dataset.dataset.pipeline]
    assert names == ["LoadImage", "LoadAnnotations", "Resize", "Pad", "PackDetInputs"]
    assert "MultiImageMixDataset" not in str(cfg.train_dataloader)


@pytest.mark.parametrize("recipe", ["ssd_augment", "mosaic"])
def test_recipe_has_a_demo(recipe, leaf, scenes):
    cfg = prepare(leaf, recipe, scenes, demo=True, batch_size=None)
    assert cfg.image_size == (160, 160)


def test_mosaic_shows_objects_of_several_images(leaf, scenes):
    cfg = prepare(leaf, "mosaic", scenes, image_size=SIZE)
    mixed = DATASETS.build(cfg.train_dataloader.dataset)
    assert isinstance(mixed, MultiImageMixDataset)
    single = [len(mixed.dataset[index]["gt_bboxes_labels"]) for index in range(len(mixed))]
    counts = [len(instances.labels) for _, instances in draw(mixed, 0)]
    assert max(counts) > max(single)


def runner_at(epoch: int, dataset, max_epochs=20):
    logger = MMLogger.get_instance("augment")
    loader = SimpleNamespace(dataset=dataset, _iterator=object())
    return SimpleNamespace(
        epoch=epoch, max_epochs=max_epochs, train_dataloader=loader, logger=logger
    )


def test_mosaic_closes_for_the_last_epochs_also_after_a_resume(leaf, scenes):
    cfg = prepare(leaf, "mosaic", scenes, image_size=SIZE)
    (hook_cfg,) = [hook for hook in cfg.custom_hooks if step_name(hook) == "CloseMosaicHook"]
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    hook = HOOKS.build(hook_cfg)
    names = [type(step).__name__ for step in dataset.pipeline]
    hook.before_train_epoch(runner_at(17, dataset))
    assert [type(step).__name__ for step in dataset.pipeline] == names
    runner = runner_at(18, dataset)
    hook.before_train_epoch(runner)
    closed = ["ResizeCropFlip", "Albumentations", "Pad", "PackBoxes"]
    assert [type(step).__name__ for step in dataset.pipeline] == closed
    assert runner.train_dataloader._iterator is None
    assert all(image.shape == (3, SIZE, SIZE) for image, _ in draw(dataset, 0))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    HOOKS.build(hook_cfg).before_train_epoch(runner_at(19, dataset))
    assert len(dataset.pipeline) == len(closed)


def test_closing_lets_other_data_sets_be(leaf, scenes):
    cfg = prepare(leaf, "mosaic", scenes, image_size=SIZE, overfit=2)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    HOOKS.build(cfg.custom_hooks[0]).before_train_epoch(runner_at(19, dataset))
    assert draw(dataset, 0)[0][0].shape == (3, SIZE, SIZE)


def test_share_outside_0_to_1_is_refused():
    with pytest.raises(InputError, match="share is 15, allowed are 0 to 1"):
        CloseMosaicHook(share=15, pipeline=[])
