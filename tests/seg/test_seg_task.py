"""The segmentation task: data roots, classes, what follows from the backbone, overfitting."""

import pytest
from mmengine.registry import MODELS, init_default_scope
from mmseg.registry import DATASETS

from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import DEMO_CLASSES, make_demo

PLUS = "configs/seg/deeplabv3plus_mnv4_conv_s.py"
LITE = "configs/seg/lraspp_mnv4_conv_s.py"
SCRATCH = "configs/seg/lraspp_mnv4_conv_s_scratch.py"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("seg_task") / "demo"
    return make_demo(root, train=12, val=4, image_size=96)


def prepare(config, splits=(), **options):
    return prepare_config(RunOptions(config=config, pretrained="none", **options), splits)[0]


def rates(cfg):
    head = cfg.model.decode_head
    init_default_scope("mmseg")
    aspp = MODELS.build(head).aspp
    return [branch[0].conv.dilation[0] for branch in aspp.branches[1:]]


@pytest.mark.parametrize(
    ("stride", "expected"), [(32, [3, 6, 9]), (16, [6, 12, 18]), (8, [12, 24, 36])]
)
def test_atrous_rates_follow_the_output_stride(stride, expected):
    cfg = prepare(PLUS, cfg_options={"model.backbone.output_stride": stride})
    assert cfg.model.decode_head.output_stride == stride
    assert rates(cfg) == expected


@pytest.mark.parametrize(
    ("config", "maps", "expected"),
    [
        (PLUS, (1, 4), [32, 128]),
        (PLUS, (2, 4), [64, 128]),
        (LITE, (2, 4), [64, 128]),
        (LITE, (1, 2, 4), [32, 64, 128]),
    ],
)
def test_channels_follow_the_backbone(config, maps, expected):
    cfg = prepare(config, cfg_options={"model.backbone.out_indices": maps})
    assert cfg.model.decode_head.in_channels == expected


def test_auxiliary_head_leaves_the_decode_head_its_maps(demo):
    plain = prepare(PLUS)
    cfg = prepare(PLUS, data_root=str(demo), cfg_options={"auxiliary": True})
    assert cfg.model.backbone.out_indices == (1, 3, 4)
    assert cfg.model.decode_head.in_index == [0, 2]
    assert cfg.model.decode_head.in_channels == plain.model.decode_head.in_channels
    assert cfg.model.auxiliary_head.in_channels == 96
    assert cfg.model.auxiliary_head.num_classes == cfg.model.decode_head.num_classes


def test_missing_map_is_one_line():
    with pytest.raises(InputError, match="out_indices"):
        prepare(PLUS, cfg_options={"model.decode_head.in_index": [0, 5]})


def test_data_root_reaches_loaders_and_heads(demo):
    cfg = prepare(PLUS, ("train", "val"), data_root=str(demo), batch_size=4)
    classes = ("background", *DEMO_CLASSES)
    assert cfg.model.decode_head.num_classes == len(classes)
    init_default_scope("mmseg")
    for split, count in (("train", 12), ("val", 4), ("test", 4)):
        dataset = DATASETS.build(dict(cfg[f"{split}_dataloader"].dataset, pipeline=[]))
        assert dataset.metainfo["classes"] == classes
        assert len(dataset) == count


def test_image_size_reaches_every_pipeline_and_limits_the_crop():
    cfg = prepare(SCRATCH, image_size=128)
    crop = next(
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if step_name(step) == "RandomScaleCropFlip"
    )
    assert (crop.scale, crop.crop_size) == ((128, 128), (128, 128))
    sizes = [step.scale for step in cfg.val_dataloader.dataset.pipeline if "scale" in step]
    assert sizes == [(128, 128)]
    assert prepare(SCRATCH).train_dataloader.dataset.pipeline[2].crop_size == (256, 256)


def test_overfit_validates_on_what_it_learns(demo):
    cfg = prepare(PLUS, ("train", "val"), data_root=str(demo), overfit=4, image_size=96)
    init_default_scope("mmseg")
    train = DATASETS.build(cfg.train_dataloader.dataset)
    val = DATASETS.build(cfg.val_dataloader.dataset)
    first, again = train[0], train[4]
    assert first["data_samples"].img_path == val[0]["data_samples"].img_path
    assert first["inputs"].equal(again["inputs"])  # no augmentation is left
    assert len(val) == 4
