"""The detection task: data roots, classes, overfitting, and what it refuses."""

import json
from pathlib import Path

import pytest
from mmdet.datasets import CocoDataset

from mnv4_vision.core.engine import RunOptions, load_config, prepare_config
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import DEMO_CLASSES, convert_set, make_demo
from mnv4_vision.det import DetectionTask

CONFIG = "configs/det/retina_mnv4_conv_s.py"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("task") / "demo", train=12, val=4, image_size=96)


def prepare(data, splits=("train", "val"), **options):
    options = RunOptions(config=CONFIG, data_root=str(data), pretrained="none", **options)
    return prepare_config(options, splits)[0]


def test_data_root_reaches_loaders_evaluators_and_head(demo):
    cfg = prepare(demo, batch_size=4)
    assert cfg.model.bbox_head.num_classes == len(DEMO_CLASSES)
    for split, name in (("train", "train"), ("val", "val"), ("test", "val")):
        dataset = cfg[f"{split}_dataloader"].dataset
        assert Path(dataset.ann_file) == demo / f"annotations/instances_{name}.json"
        assert Path(dataset.data_prefix.img) == demo / name
        assert tuple(dataset.metainfo.classes) == DEMO_CLASSES
    assert Path(cfg.val_evaluator.ann_file) == demo / "annotations/instances_val.json"


@pytest.mark.parametrize("fmt", ["voc", "yolo"])
def test_other_formats_reach_mmdet_as_coco(demo, tmp_path, capsys, fmt):
    convert_set(demo, fmt, tmp_path / fmt)
    cfg = prepare(tmp_path / fmt, batch_size=4)
    assert f"{tmp_path / fmt}: {fmt.upper()}: train + val in" in capsys.readouterr().out
    assert cfg.model.bbox_head.num_classes == len(DEMO_CLASSES)
    boxes = {}
    for root in (demo, tmp_path / fmt):
        dataset = prepare(root, batch_size=4).val_dataloader.dataset
        dataset.pop("type")
        records = CocoDataset(**{**dataset, "pipeline": []}).load_data_list()
        boxes[root] = [
            [(item["bbox"], item["bbox_label"]) for item in record["instances"]]
            for record in records
        ]
        assert all(Path(record["img_path"]).is_file() for record in records)
    assert boxes[demo] == boxes[tmp_path / fmt]
    assert cfg.val_evaluator.ann_file == cfg.val_dataloader.dataset.ann_file


def test_evaluation_needs_no_training_files(demo, tmp_path):
    (tmp_path / "annotations").mkdir()
    for part in ("annotations/instances_val.json", "val"):
        (tmp_path / part).symlink_to(demo / part)
    assert prepare(tmp_path, ("test",)).model.bbox_head.num_classes == len(DEMO_CLASSES)
    with pytest.raises(MissingFileError, match="no annotations of a train split"):
        prepare(tmp_path, ("train", "val"))


def test_demo_settings_are_applied(tmp_path, demo):
    cfg = prepare_config(RunOptions(config=CONFIG, demo=True, data_root=str(demo)), ("val",))[0]
    assert cfg.image_size == (160, 160)
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_epochs == 12
    assert cfg.model.backbone.pretrained is None
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 8


def test_overfit_trains_and_validates_on_the_same_images(demo):
    cfg = prepare(demo, overfit=3, batch_size=8, image_size=64)
    repeated = cfg.train_dataloader.dataset
    train, val = repeated.dataset, cfg.val_dataloader.dataset
    assert cfg.train_dataloader.batch_size == 3
    assert repeated.times * 3 >= 20 * 3
    assert train.indices == val.indices == 3
    assert train.ann_file == val.ann_file == cfg.val_evaluator.ann_file
    names = [step_name(step) for step in train.pipeline]
    assert names == ["LoadImage", "LoadAnnotations", "Resize", "Pad", "PackDetInputs"]
    assert train.pipeline[2].scale == (64, 64)


def test_one_image_is_overfitted_in_batches_of_two(demo):
    cfg = prepare(demo, overfit=1, image_size=64)
    assert cfg.train_dataloader.batch_size == 2
    assert cfg.train_dataloader.dataset.times == 20 * 2


def test_fewer_images_than_a_batch_are_refused(demo):
    with pytest.raises(InputError, match=r"has 12 train images, one step takes 16.*--batch-size"):
        prepare(demo, batch_size=16)


def edit(demo: Path, tmp_path: Path, change) -> str:
    for part in ("train", "val"):
        (tmp_path / part).symlink_to(demo / part)
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        name = f"annotations/instances_{split}.json"
        content = json.loads((demo / name).read_text())
        change(content)
        (tmp_path / name).write_text(json.dumps(content))
    return str(tmp_path)


def check(root: str, classes, num_classes: int) -> None:
    cfg = load_config(CONFIG)
    DetectionTask().use_data_root(cfg, Path(root))
    for split in ("train", "val"):
        cfg[f"{split}_dataloader"].dataset.metainfo = dict(classes=tuple(classes))
    cfg.model.bbox_head.num_classes = num_classes
    cfg.train_dataloader.batch_size = 1
    DetectionTask().check_data(cfg, ("train", "val"))


@pytest.mark.parametrize(
    ("classes", "num_classes", "message"),
    [
        (DEMO_CLASSES, 5, None),
        (DEMO_CLASSES, 4, "head has 4 classes"),
        ((*DEMO_CLASSES[1:], "heart"), 5, "no category 'heart'"),
        (DEMO_CLASSES[::-1], 5, "another order"),
    ],
)
def test_classes_of_config_file_and_head_must_agree(demo, classes, num_classes, message):
    if message is None:
        check(demo, classes, num_classes)
        return
    with pytest.raises(InputError, match=message):
        check(demo, classes, num_classes)


def test_bad_data_stops_the_training_and_names_the_command(demo, tmp_path, capsys):
    def push_out(content):
        for annotation in content["annotations"][:2]:
            annotation["bbox"][0] += 1000

    root = edit(demo, tmp_path, push_out)
    with pytest.raises(InputError) as caught:
        prepare(root, batch_size=4)
    assert "instances_train.json: annotations[0] (id 1) has the bbox [10" in str(caught.value)
    assert f"(3 more errors: `python tools/data.py verify {root}` lists them)" in str(caught.value)
    assert "error    val: boxes outside their image: 2 of" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"instances_val.json: annotations\[0\]"):
        prepare(root, ("test",))


def test_only_rank_0_prints(demo, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    prepare(demo, batch_size=4)
    assert "train boxes" not in capsys.readouterr().out
    monkeypatch.setenv("RANK", "0")
    prepare(demo, batch_size=4)
    assert "train boxes" in capsys.readouterr().out


def test_a_loader_that_skips_bad_images_trains_without_them(demo, tmp_path):
    root = Path(edit(demo, tmp_path, lambda content: None))
    (root / "train").unlink()
    (root / "train").mkdir()
    for image in sorted((demo / "train").iterdir())[1:]:
        (root / "train" / image.name).symlink_to(image)
    with pytest.raises(InputError, match=r"does not exist"):
        prepare(root, batch_size=4)
    skip = {"train_dataloader.dataset.pipeline.0.on_error": "skip"}
    prepare(root, batch_size=4, cfg_options=skip)


def test_category_order_of_the_file_is_the_label_order(demo, tmp_path):
    root = edit(demo, tmp_path, lambda content: content["categories"].reverse())
    cfg = prepare(root, batch_size=4)
    assert tuple(cfg.val_dataloader.dataset.metainfo.classes) == DEMO_CLASSES[::-1]


def test_main_job_without_data_says_how_to_get_it():
    with pytest.raises(MissingFileError, match=r"data/coco.*tools/data\.py demo.*download coco"):
        prepare_config(RunOptions(config=CONFIG), ("train", "val"))
