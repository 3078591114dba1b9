"""A config's classification data before a training: errors stop it in one line."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mnv4_vision.cls.data_checks import check_data
from mnv4_vision.core.errors import InputError

NAMES = ("ant", "bee", "cat")


def write_set(root, num_train=2, num_val=2):
    """Photos of noise, so many of each class."""
    random = np.random.default_rng(0)
    for split, number in (("train", num_train), ("val", num_val)):
        for name in NAMES:
            (root / split / name).mkdir(parents=True)
            for index in range(number):
                photo = random.integers(0, 255, (20, 24, 3), dtype=np.uint8)
                cv2.imwrite(str(root / split / name / f"{index}.jpg"), photo)
    return root


def config(root, batch_size=2, num_classes=3, drop_last=True, **dataset) -> Config:
    def loader(split):
        pipeline = [dict(type="EvalCrop", scale=(32, 40))]
        inner = dict(type="ImageDataset", data_root=str(root), split=split, pipeline=pipeline)
        return dict(batch_size=batch_size, dataset=inner | dataset)

    return Config(
        dict(
            model=dict(head=dict(type="MobileNetV4Head", num_classes=num_classes)),
            train_dataloader=loader("train") | dict(drop_last=drop_last),
            val_dataloader=loader("val"),
            test_dataloader=loader("val"),
        )
    )


def message(cfg, splits=("train", "val"), **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        check_data(cfg, splits, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_good_data_are_summed_up(tmp_path, capsys):
    check_data(config(write_set(tmp_path)), ("train", "val"))
    out = capsys.readouterr().out
    assert out.count("images  6, all 24x20") == 2
    assert ["1", "bee", "2", "33.33", "2", "33.33"] in [line.split() for line in out.splitlines()]
    assert "warning" not in out
    check_data(config(tmp_path), ("train", "val"))
    assert "files unchanged since they were checked" in capsys.readouterr().out


def test_small_images_are_measured_by_the_evaluation_crop(tmp_path, capsys):
    cfg = config(write_set(tmp_path))
    for dataset in (cfg.train_dataloader.dataset, cfg.test_dataloader.dataset):
        dataset.pipeline[0].scale = (41, 48)
    check_data(cfg, ("train",))
    assert "warning  train: images with a side below half" in capsys.readouterr().out


def test_damage_stops_unless_the_loader_goes_on(tmp_path, capsys):
    write_set(tmp_path, num_train=3)
    bad = tmp_path / "train/ant/0.jpg"
    bad.write_bytes(bad.read_bytes()[:60])
    (tmp_path / "train/bee/0.jpg").write_bytes(b"")
    text = message(config(tmp_path), data_root="DIR")
    assert f"{bad} is truncated" in text
    assert "1 more error: `python tools/data.py verify DIR --task cls` lists them" in text
    check_data(config(tmp_path), ("val",))
    cfg = config(tmp_path)
    cfg.train_dataloader.dataset.pipeline.insert(0, dict(type="LoadImage", on_error="skip"))
    check_data(cfg, ("train", "val"))
    assert "warning  train: images that cannot be read: 2 of 9" in capsys.readouterr().out


def test_classes_of_head_and_data(tmp_path):
    write_set(tmp_path)
    assert "model.head has 5 classes" in message(config(tmp_path, num_classes=5))
    check_data(config(tmp_path, num_classes=2, metainfo=dict(classes=("cat", "ant"))), ("train",))
    text = message(config(tmp_path, metainfo=dict(classes=("ant", "bees", "cat"))))
    assert "no class 'bees' (did you mean 'bee'?)" in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (dict(batch_size=7), "has 6 train images, one step takes 7"),
        (dict(batch_size=4, indices=3), "has 3 train images, one step takes 4"),
        (
            dict(batch_size=5, num_classes=2, metainfo=dict(classes=("ant", "cat"))),
            "has 4 train images, one step takes 5",
        ),
        (dict(batch_size=1), "pass --batch-size 2 or more"),
        (dict(batch_size=5, drop_last=False), "its last batch has one image"),
    ],
)
def test_batches_that_cannot_be_trained_on(tmp_path, options, text):
    assert text in message(config(write_set(tmp_path), **options))


def test_one_split_for_both_is_no_leak(tmp_path, capsys):
    cfg = config(write_set(tmp_path))
    cfg.val_dataloader.dataset.split = "train"
    check_data(cfg, ("train", "val"))
    assert "error" not in capsys.readouterr().out
