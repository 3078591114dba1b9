"""Each finding of a classification set from the one damage that causes it; results are kept."""

import json
import shutil

import pytest
from class_sets import class_set
from dataset_helpers import shared_data, write_noise
from PIL import Image

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import (
    find_images,
    image_splits_of,
    verify_images,
    write_image_statistics,
)
from mnv4_vision.datasets.image_folders import image_split


@pytest.fixture
def data_root(tmp_path):
    return class_set(tmp_path / "data")


def verify(root, **kwargs):
    return verify_images(image_splits_of(find_images(root)), **kwargs)


def found(report) -> dict[str, tuple[str, str, int]]:
    """Kind of finding to level, split and number of records."""
    levels = {"error": report.findings.errors, "warning": report.findings.warnings}
    return {f.kind: (level, f.split, f.count) for level, group in levels.items() for f in group}


def first_error(report) -> str:
    with pytest.raises(InputError) as caught:
        report.raise_errors("look there")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_real_photos():
    root = shared_data("clothing")
    report = verify(root, decode=False)
    assert found(report) == {}
    train, val = report.summaries["train"], report.summaries["val"]
    assert (train.num_images, val.num_images) == (600, 341)
    assert val.class_counts == {p.name: len(list(p.iterdir())) for p in root.glob("validation/*")}
    sizes = [Image.open(path).size for path in root.glob("train/*/*")]
    assert train.image_sizes == {size: sizes.count(size) for size in set(sizes)}
    assert "classes 10, 60 images each" in report.describe()


def test_a_good_set_has_no_findings_and_is_remembered(data_root):
    assert found(verify(data_root)) == {}
    assert "files unchanged since they were checked" in verify(data_root).notes
    write_noise(data_root / "train/ant/0.jpg", 99, (250, 250))
    again = verify(data_root)
    assert again.notes == []
    assert again.summaries["train"].image_sizes == {(240, 224): 8, (250, 250): 1}


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


DAMAGES = {
    "truncated": (lambda root: cut(root / "train/ant/0.jpg"), "unreadable", "error", "train"),
    "empty": (lambda root: (root / "val/ant/0.jpg").write_bytes(b""), "unreadable", "error", "val"),
    "text": (
        lambda root: (root / "val/ant/0.jpg").write_text("no image" * 99),
        *("unreadable", "error", "val"),
    ),
    "copy": (
        lambda root: shutil.copy(root / "train/ant/0.jpg", root / "train/ant/9.jpg"),
        *("duplicate", "warning", "train"),
    ),
    "leak": (
        lambda root: shutil.copy(root / "train/ant/0.jpg", root / "val/ant/9.jpg"),
        *("leak", "error", "val"),
    ),
    "hidden": (lambda root: (root / "val/bee/._0.jpg").touch(), "left_out", "warning", "val"),
    "other type": (lambda root: (root / "val/bee/a.heic").touch(), "left_out", "warning", "val"),
    "one": (lambda root: (root / "train/cat/0.jpg").unlink(), "one_photo", "warning", "train"),
    "none": (lambda root: shutil.rmtree(root / "val/cat"), "no_photo", "warning", "val"),
    "small": (
        lambda root: write_noise(root / "train/ant/0.jpg", 77, (300, 111)),
        *("small_image", "warning", "train"),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_found(data_root, name):
    damage, kind, level, split = DAMAGES[name]
    damage(data_root)
    assert found(verify(data_root)) == {kind: (level, split, 1)}


def test_the_error_line_names_file_and_fix(data_root):
    cut(data_root / "train/ant/0.jpg")
    error = first_error(verify(data_root))
    assert f"{data_root}/train/ant/0.jpg is truncated" in error
    assert "replace the files" in error


def test_one_picture_in_two_classes(data_root):
    shutil.copy(data_root / "train/ant/0.jpg", data_root / "train/bee/9.jpg")
    report = verify(data_root)
    assert found(report) == {
        "two_labels": ("error", "train", 1),
        "duplicate": ("warning", "train", 1),
    }
    assert "bee/9.jpg (bee) is the same picture as" in first_error(report)


def test_imbalance_is_more_than_ten_times(tmp_path):
    assert found(verify(class_set(tmp_path / "a", train=(20, 2, 2)))) == {}
    report = verify(class_set(tmp_path / "b", train=(21, 2, 2)))
    assert found(report) == {"imbalance": ("warning", "train", 1)}
    assert "21 images of 'ant', 2 of 'bee'" in report.describe()


def test_a_list_with_missing_files_and_untaught_classes(tmp_path):
    root = class_set(tmp_path, val=(6, 2, 2))
    rows = [f"train/bee/{i}.jpg,bee" for i in range(3)] + ["train/cat/7.jpg,cat"]
    rows += ["train/cat/0.jpg,cat", "train/cat/1.jpg,cat"]
    rows += [f"val/ant/{i}.jpg,ant" for i in range(6)]
    (root / "labels.csv").write_text("\n".join(["file_name,label", *rows]))
    assert found(verify(root)) == {
        "missing": ("error", "train", 1),
        "untaught": ("error", "train", 1),
        "no_photo": ("warning", "val", 2),
    }


def test_of_large_sets_a_sample_is_looked_at(data_root, monkeypatch):
    monkeypatch.setattr(image_split, "MAX_CHECKED", 3)
    cut(data_root / "train/ant/1.jpg")  # the second of nine, of which every third is read
    report = verify(data_root)
    assert (found(report), report.summaries["train"].num_checked) == ({}, 3)
    assert report.summaries["train"].class_counts == {"ant": 4, "bee": 3, "cat": 2}
    assert report.notes[0].startswith("train: 3 of 9 images were looked at")
    assert found(verify(data_root, decode=True)) == {"unreadable": ("error", "train", 1)}


def test_statistics(data_root, tmp_path):
    write_image_statistics(image_splits_of(find_images(data_root)), tmp_path)
    train = json.loads((tmp_path / "stats.json").read_text())["train"]
    assert train["class_counts"] == {"ant": 4, "bee": 3, "cat": 2}
    assert train["class_percent"]["bee"] == pytest.approx(100 / 3)
    assert train["percentiles"]["aspect_ratio"]["50"] == pytest.approx(240 / 224)
    assert Image.open(tmp_path / "stats.png").size[0] == 1440
