"""A config's segmentation data before a training: errors stop it in one line."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.models.losses import CrossEntropyLoss

from mnv4_vision.core.errors import InputError
from mnv4_vision.seg import DeepLabHead, MobileLRASPPHead
from mnv4_vision.seg.data_checks import check_data

NAMES = ["sky", "road", "car"]


def write_set(root, num_train=4, num_val=2):
    """Photos of noise; the masks hold 0, 1 and 2."""
    (root / "classes.txt").parent.mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("\n".join(NAMES))
    for seed, (split, number) in enumerate({"train": num_train, "val": num_val}.items()):
        random = np.random.default_rng(seed)
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for index in range(number):
            photo = random.integers(0, 255, (12, 16, 3), dtype=np.uint8)
            cv2.imwrite(str(root / f"images/{split}/{index}.jpg"), photo)
            mask = (np.arange(16 * 12) % 3).reshape(12, 16).astype(np.uint8)
            cv2.imwrite(str(root / f"masks/{split}/{index}.png"), mask)
    return root


def config(root, batch_size=2, **head) -> Config:
    def loader(split):
        dataset = dict(type="MaskDataset", data_root=str(root), split=split, pipeline=[])
        return dict(batch_size=batch_size, dataset=dataset)

    return Config(
        dict(
            model=dict(decode_head=dict(type="DeepLabHead", num_classes=3, **head)),
            train_dataloader=loader("train") | dict(drop_last=True),
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
    assert "images  4, all 16x12" in out
    assert "images  2, all 16x12" in out
    assert ["1", "road", "33.33", "4", "33.33", "2"] in [line.split() for line in out.splitlines()]
    check_data(config(tmp_path), ("train", "val"))
    assert "files unchanged since they were checked" in capsys.readouterr().out


def test_only_what_is_read_is_checked(tmp_path):
    cfg = config(write_set(tmp_path))
    (tmp_path / "masks/train/0.png").write_bytes(b"")
    check_data(cfg, ("val", "test"))
    assert "masks/train/0.png" in message(cfg)
    check_data(cfg, ())


def test_an_error_names_the_command_that_lists_the_others(tmp_path):
    cfg = config(write_set(tmp_path))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.reduce_zero_label = False
    for index in range(2):
        cv2.imwrite(str(tmp_path / f"masks/val/{index}.png"), np.full((12, 16), 77, np.uint8))
    text = message(cfg, data_root=tmp_path)
    assert f"mask {tmp_path}/masks/val/0.png holds 77 (192 pixels)" in text
    assert f"`python tools/data.py verify {tmp_path} --task seg` lists them" in text


def test_a_wrong_reduce_zero_label_of_the_config(tmp_path):
    cfg = config(write_set(tmp_path))
    cfg.train_dataloader.dataset.reduce_zero_label = True
    cfg.val_dataloader.dataset.reduce_zero_label = True
    check_data(cfg, ("train", "val"))  # 3 never occurs and 0 is ignored: a warning
    for path in tmp_path.glob("masks/*/*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), mask + (mask == 2))
    cfg.train_dataloader.dataset.reduce_zero_label = False
    assert "up to 3, one more than its 3 classes" in message(cfg, ("train",))


def test_one_set_is_read_in_one_way(tmp_path):
    cfg = config(write_set(tmp_path))
    cfg.train_dataloader.dataset.reduce_zero_label = True
    assert "reduce_zero_label differs between" in message(cfg)


def test_heads_with_another_number_of_classes(tmp_path):
    cfg = config(write_set(tmp_path))
    cfg.model.decode_head.num_classes = 19
    assert message(cfg).startswith(f"model.decode_head has 19 classes, {tmp_path} 3")
    cfg = config(tmp_path)
    cfg.model.auxiliary_head = [dict(num_classes=3), dict(num_classes=150)]
    assert message(cfg).startswith("model.auxiliary_head[1] has 150 classes")
    cfg.model.auxiliary_head = dict(num_classes=3)
    check_data(cfg, ("train",))


def test_classes_of_the_config(tmp_path):
    cfg = config(write_set(tmp_path))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.metainfo = dict(classes=("sky", "car"))
    assert "model.decode_head has 3 classes" in message(cfg)
    cfg.model.decode_head.num_classes = 2
    check_data(cfg, ("train", "val"))
    cfg.val_dataloader.dataset.metainfo = dict(classes=("sky", "cars"))
    assert "has no class 'cars' (did you mean 'car'?)" in message(cfg)


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "words"),
    [
        (5, True, "has 4 train images, one step takes 5"),
        (1, True, "takes two images at a time: pass --batch-size 2"),
        (3, False, "takes two images at a time: set train_dataloader.drop_last=True"),
        (3, True, None),
        (2, False, None),
    ],
)
def test_batches_that_fail_or_never_come(tmp_path, batch_size, drop_last, words):
    cfg = config(write_set(tmp_path), batch_size)
    cfg.train_dataloader.drop_last = drop_last
    if words is None:
        check_data(cfg, ("train",))
        return
    assert words in message(cfg, ("train",))
    cfg.model.decode_head.type = "MobileLRASPPHead"  # normalises no pooled map
    if batch_size < 4:
        check_data(cfg, ("train",))


def test_ranks_share_the_images(tmp_path, monkeypatch):
    cfg = config(write_set(tmp_path), 2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert "one step takes 8" in message(cfg, ("train",))


def test_repeated_images_fill_a_batch(tmp_path):
    cfg = config(write_set(tmp_path), 4)
    inner = cfg.train_dataloader.dataset
    inner.indices = 2
    assert "has 2 train images" in message(cfg, ("train",))
    cfg.train_dataloader.dataset = dict(type="RepeatDataset", dataset=inner, times=2)
    check_data(cfg, ("train",))


def test_training_images_as_val_are_no_leak(tmp_path):
    cfg = config(write_set(tmp_path))
    cfg.val_dataloader.dataset.split = "train"
    check_data(cfg, ("train", "val"))


@pytest.mark.parametrize(("kind", "learns"), [(DeepLabHead, False), (MobileLRASPPHead, True)])
def test_the_heads_refused_with_one_image_are_those_that_fail_on_it(tmp_path, kind, learns):
    loss = dict(type=CrossEntropyLoss)  # by class: whatever the default scope is
    head = kind(in_channels=[8, 8], channels=8, num_classes=3, loss_decode=loss).train()
    maps = [torch.zeros(1, 8, 8, 8), torch.zeros(1, 8, 4, 4)]
    cfg = config(write_set(tmp_path), 1)
    cfg.model.decode_head.type = kind
    if learns:
        head(maps)
        check_data(cfg, ("train",))
        return
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        head(maps)
    assert "takes two images at a time" in message(cfg, ("train",))


def test_a_stray_value_is_named_where_the_values_are_guessed(tmp_path):
    cfg = config(write_set(tmp_path))
    path = tmp_path / "masks/train/1.png"
    cv2.imwrite(str(path), np.full((12, 16), 77, np.uint8))
    assert f"({path} has 77)" in message(cfg)
