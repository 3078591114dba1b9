"""Published segmentation sets are found where they lie, with their own numbers for classes."""

from pathlib import Path

import numpy as np
import pytest
from dataset_helpers import shared_data
from mask_folders import write_mask, write_photo

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import DEMO_CLASSES, make_demo, read_json
from mnv4_vision.datasets.masks import (
    MaskData,
    find_masks,
    read_mask,
    splits_of,
    verify_masks,
)


def labels_of(data: MaskData, split: str) -> list[np.ndarray]:
    return [data.encoding.labels(read_mask(mask)) for _, mask in data.splits[split]]


def stems(data: MaskData, split: str) -> list[tuple[str, str]]:
    return [(image.stem, mask.stem) for image, mask in data.splits[split]]


def test_ade20k_samples():
    data = find_masks(shared_data("ade20k_samples"), need=("val",))
    assert (data.format, len(data.classes), len(data.palette)) == ("ade20k", 150, 150)
    assert data.classes[:3] == ("wall", "building", "sky")
    for (image, mask), labels in zip(data.splits["val"], labels_of(data, "val"), strict=True):
        values = read_mask(mask)
        assert image.stem == mask.stem
        assert set(np.unique(labels)) - {255} <= set(range(150))
        assert np.array_equal(labels == 255, values == 0)
        assert np.array_equal(labels[values > 0] + 1, values[values > 0])


def test_ade20k_below_its_own_folder(tmp_path):
    for folder, stem in (("training", "ADE_train_1"), ("validation", "ADE_val_1")):
        write_photo(tmp_path / f"ADEChallengeData2016/images/{folder}/{stem}.jpg")
        write_mask(tmp_path / f"ADEChallengeData2016/annotations/{folder}/{stem}.png", [0, 150])
    data = find_masks(tmp_path)
    assert {split: len(pairs) for split, pairs in data.splits.items()} == {"train": 1, "val": 1}
    with pytest.raises(InputError, match="holds 150"):
        find_masks(tmp_path, reduce_zero_label=False).encoding.labels(np.uint8([[0, 150]]))


def test_camvid():
    data = find_masks(shared_data("camvid"))
    assert {split: len(pairs) for split, pairs in data.splits.items()} == {"train": 367, "val": 101}
    assert data.format == "camvid"
    assert not any(any(files) for files in data.unpaired.values())
    _, mask = data.splits["val"][0]
    values = read_mask(mask)
    assert np.array_equal(data.encoding.labels(values), np.where(values == 11, 255, values))


def test_coco_panoptic_masks():
    root = shared_data("coco_ccby_panoptic")
    data = find_masks(root)
    assert (data.format, len(data.classes)) == ("coco_panoptic", 133)
    assert {split: len(pairs) for split, pairs in data.splits.items()} == {"train": 15, "val": 17}
    ids = {
        c["name"]: c["id"]
        for c in read_json(root / "annotations/panoptic_val2017.json")["categories"]
    }
    assert dict(zip(data.classes, data.encoding.values, strict=True)) == ids
    assert all((labels != 255).any() for labels in labels_of(data, "val"))


@pytest.mark.parametrize(
    ("ending", "values", "expected"),
    [
        ("labelIds", [7, 33, 0, 6], [0, 18, 255, 255]),
        ("labelTrainIds", [0, 18, 255, 255], [0, 18, 255, 255]),
    ],
)
def test_cityscapes(tmp_path, ending: str, values: list[int], expected: list[int]):
    for split, city in (("train", "ulm"), ("val", "lindau")):
        stem = f"{city}/{city}_000000_000019"
        write_photo(tmp_path / f"leftImg8bit/{split}/{stem}_leftImg8bit.png")
        write_mask(tmp_path / f"gtFine/{split}/{stem}_gtFine_instanceIds.png", [1])
        write_mask(tmp_path / f"gtFine/{split}/{stem}_gtFine_{ending}.png", values)
    data = find_masks(tmp_path)
    assert (data.format, len(data.classes)) == ("cityscapes", 19)
    assert [data.classes[i] for i in (0, 13, 18)] == ["road", "car", "bicycle"]
    assert labels_of(data, "train")[0][0].tolist() == expected


def test_cityscapes_prefers_masks_that_both_splits_have(tmp_path):
    for split in ("train", "val"):
        write_photo(tmp_path / f"leftImg8bit/{split}/c/x_leftImg8bit.png")
        write_mask(tmp_path / f"gtFine/{split}/c/x_gtFine_labelIds.png", [26])
    write_mask(tmp_path / "gtFine/val/c/x_gtFine_labelTrainIds.png", [13])
    data = find_masks(tmp_path)
    assert (
        labels_of(data, "val")[0].tolist() == labels_of(data, "train")[0].tolist() == [[13] * 4] * 2
    )
    with pytest.raises(InputError, match="gaps"):
        find_masks(tmp_path, reduce_zero_label=False)


def test_the_published_zero_label_of_cityscapes_is_known(tmp_path):
    for split in ("train", "val"):
        write_photo(tmp_path / f"leftImg8bit/{split}/c/x_leftImg8bit.png")
        write_mask(tmp_path / f"gtFine/{split}/c/x_gtFine_labelTrainIds.png", [0, 18])
    assert find_masks(tmp_path).zero_is_none is False
    report = verify_masks(splits_of(find_masks(tmp_path, reduce_zero_label=True)))
    assert next(error.kind for error in report.findings.errors) == "zero_label"


def test_coco_stuff_values_are_official_ids_minus_one(tmp_path):
    things = read_json(shared_data("coco_ccby") / "annotations/instances_val2017.json")[
        "categories"
    ]
    for split in ("train2017", "val2017"):
        write_photo(tmp_path / f"images/{split}/1.jpg")
        write_mask(tmp_path / f"stuffthingmaps/{split}/1.png", [0, 181, 255])
    data = find_masks(tmp_path)
    values = dict(zip(data.classes, data.encoding.values, strict=True))
    assert (data.format, len(values), values["wood"]) == ("coco_stuff", 171, 181)
    assert {name: values[name] + 1 for name in (c["name"] for c in things)} == {
        c["name"]: c["id"] for c in things
    }
    assert labels_of(data, "train")[0][0].tolist() == [0, 170, 255, 0]


def test_coco_stuff_as_mmseg_converts_it(tmp_path):
    write_photo(tmp_path / "images/val2017/1.jpg")
    write_mask(tmp_path / "annotations/val2017/1.png", [181])
    write_mask(tmp_path / "annotations/val2017/1_labelTrainIds.png", [170])
    data = find_masks(tmp_path, need=("val",))
    assert labels_of(data, "val")[0][0, 0] == 170
    assert data.classes[170] == "wood"


A, B, C = "2007_000001", "2007_000002", "2011_000003"


def write_voc(base: Path) -> None:
    for stem in (A, B, C):
        write_photo(base / f"JPEGImages/{stem}.jpg")
    for stem in (A, B):
        write_mask(base / f"SegmentationClass/{stem}.png", [0, 20, 255])
    lists = base / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(f"{A}\n")
    (lists / "val.txt").write_text(f"{B}\n")


@pytest.mark.parametrize("below", ["", "VOCdevkit/VOC2012"])
def test_voc(tmp_path, below: str):
    write_voc(tmp_path / below)
    data = find_masks(tmp_path)
    assert (data.format, len(data.classes), data.classes[20]) == ("voc2012", 21, "tvmonitor")
    assert (stems(data, "train"), stems(data, "val")) == ([(A, A)], [(B, B)])
    assert labels_of(data, "val")[0][0].tolist() == [0, 20, 255, 0]


@pytest.mark.parametrize("line", ["{}", "/JPEGImages/{0}.jpg /SegmentationClassAug/{0}.png"])
def test_voc_with_the_masks_of_sbd(tmp_path, line: str):
    write_voc(tmp_path)
    for stem in (A, C):
        write_mask(tmp_path / f"SegmentationClassAug/{stem}.png", [15])
    lists = tmp_path / "ImageSets/Segmentation"
    (lists / "trainaug.txt").write_text("".join(line.format(s) + "\n" for s in (A, C)))
    data = find_masks(tmp_path)
    assert [mask.parent.name for _, mask in data.splits["train"]] == ["SegmentationClassAug"] * 2
    assert [mask.parent.name for _, mask in data.splits["val"]] == ["SegmentationClass"]
    assert "trainaug" in data.describe(tmp_path)


def test_voc_list_of_files_that_are_not_there(tmp_path):
    write_voc(tmp_path)
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text(f"{B}\nnone\n")
    with pytest.raises(InputError, match=r"val\.txt lists 'none'"):
        find_masks(tmp_path)


def test_demo_set(tmp_path):
    make_demo(tmp_path / "demo", train=3, val=2, image_size=64)
    data = find_masks(tmp_path / "demo")
    assert data.classes == ("background", *DEMO_CLASSES)
    assert {split: len(pairs) for split, pairs in data.splits.items()} == {"train": 3, "val": 2}
    for (_, mask), labels in zip(data.splits["train"], labels_of(data, "train"), strict=True):
        assert np.array_equal(labels, read_mask(mask))


def test_missing_halves_are_kept_apart(tmp_path):
    for split in ("train", "val"):
        write_photo(tmp_path / split / "0001TP_1.png")
        write_mask(tmp_path / f"{split}annot/0001TP_1.png", [0, 11])
    write_photo(tmp_path / "train/lone.png")
    write_mask(tmp_path / "trainannot/widow.png", [0])
    data = find_masks(tmp_path)
    assert stems(data, "train") == [("0001TP_1", "0001TP_1")]
    images, masks = data.unpaired["train"]
    assert ([path.name for path in images], [path.name for path in masks]) == (
        ["lone.png"],
        ["widow.png"],
    )
    assert not any(data.unpaired["val"])


def test_no_set_says_what_was_looked_for(tmp_path):
    (tmp_path / "stuff").mkdir()
    with pytest.raises(MissingFileError, match=r"holds stuff.*images/train \+ masks/train"):
        find_masks(tmp_path)
    with pytest.raises(MissingFileError, match="does not exist"):
        find_masks(tmp_path / "none")


def test_a_split_that_is_not_there(tmp_path):
    write_photo(tmp_path / "val/Seq05VD_1.png")
    write_mask(tmp_path / "valannot/Seq05VD_1.png", [0])
    assert len(find_masks(tmp_path, need=("val",)).splits["val"]) == 1
    with pytest.raises(MissingFileError, match="no train split, only val"):
        find_masks(tmp_path)
