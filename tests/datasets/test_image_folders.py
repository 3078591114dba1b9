"""Which images, classes and labels are found in a folder, and what is said where none are."""

import csv
import os
from pathlib import Path

import pytest
from class_sets import NAMES, class_set
from dataset_helpers import shared_data, write_noise

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import LabelledImages, find_labels, make_demo, other_tasks, task_of
from mnv4_vision.datasets.image_folders import NoClassesError, find_images


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A set that no test changes."""
    return class_set(tmp_path_factory.mktemp("classes"), size=(8, 8))


def test_labels_are_those_of_the_sorted_folders():
    root = shared_data("clothing")
    data = find_images(root)
    assert data.classes == tuple(sorted(os.listdir(root / "train")))
    assert {split: len(images) for split, images in data.splits.items()} == {
        "train": 600,
        "val": 341,
    }
    for image in data.splits["val"]:
        assert image.path.split(os.sep)[-3:-1] == ["validation", data.classes[image.label]]


def test_order_is_by_class_and_name(small):
    images = find_images(small).splits["train"]
    assert [image.label for image in images] == [0] * 4 + [1] * 3 + [2] * 2
    assert [image.path for image in images] == sorted(image.path for image in images)


def test_only_some_splits_are_listed(small):
    data = find_images(small, only=("val",))
    assert (list(data.splits), data.classes) == (["val"], NAMES)
    with pytest.raises(MissingFileError, match=r"has no test split, only train, val"):
        find_images(small, only=("test",))


def test_subfolders_count_and_hidden_files_do_not(tmp_path):
    class_set(tmp_path, size=(8, 8))
    (tmp_path / "train/ant/more/.cache").mkdir(parents=True)
    for name in ("more/9.JPG", "more/.cache/8.jpg", "._7.jpg", "6.txt"):
        write_noise(tmp_path / "train/ant/x.jpg", 99, (8, 8))
        (tmp_path / "train/ant/x.jpg").rename(tmp_path / "train/ant" / name)
    (tmp_path / "train/.git").mkdir()
    (tmp_path / "train/dog").mkdir()
    data = find_images(tmp_path)
    names = [os.path.basename(image.path) for image in data.splits["train"] if image.label == 0]
    assert names == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "9.JPG"]
    assert data.classes == NAMES
    assert "warning  no images in train/dog: no class" in data.describe(tmp_path)


@pytest.mark.parametrize(
    ("move", "message"),
    [
        ({"val/bee": "val/be"}, r"be is a class that the training images lack.*mean 'bee'"),
        ({"val": "other"}, r"has no val split, only train .*: move a part of train/ to val/"),
        ({"val": "test"}, r"has no val split, only train, test .*: rename test/ to val/"),
        ({"train": "x/train", "val": "x/val"}, r"no train/ and val/ in .*: pass .*/x, which has"),
        ({"train/ant": "y", "train": "x", "y": "train", "val": "z"}, r"train are in no class fold"),
        ({"train/ant": "x", "train/bee": "y"}, r"one class, 'cat'"),
        ({"train": "old", "val/ant": "ant", "val": "new"}, r"images in ant.* that are not divided"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, move, message):
    class_set(tmp_path, size=(8, 8))
    for old, new in move.items():
        (tmp_path / new).parent.mkdir(exist_ok=True)
        (tmp_path / old).rename(tmp_path / new)
    with pytest.raises(InputError, match=message):
        find_images(tmp_path)


def test_linked_subfolders_count_and_links_to_a_folder_above_do_not(tmp_path):
    class_set(tmp_path / "set", size=(8, 8))
    (tmp_path / "more").mkdir()
    write_noise(tmp_path / "more/9.jpg", 99, (8, 8))
    (tmp_path / "set/train/ant/linked").symlink_to(tmp_path / "more")
    (tmp_path / "set/train/ant/loop").symlink_to(tmp_path / "set")
    paths = [i.path for i in find_images(tmp_path / "set").splits["train"] if i.label == 0]
    names = ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "linked/9.jpg"]
    assert paths == [str(tmp_path / "set/train/ant" / name) for name in names]


def test_a_test_split_without_labels_stops_nothing_that_does_not_read_it(tmp_path):
    class_set(tmp_path, size=(8, 8))
    (tmp_path / "test/test").mkdir(parents=True)
    write_noise(tmp_path / "test/test/0.jpg", 99, (8, 8))
    data = find_images(tmp_path)
    assert list(data.splits) == ["train", "val"]
    assert "test/test is a class that the training images lack" in data.warnings[0]
    with pytest.raises(InputError, match=r"test/test is a class.*they have ant, bee, cat"):
        find_images(tmp_path, only=("test",))


def write_list(root: Path, rows: list[tuple[str, str]]) -> None:
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label"), *rows])


ROWS = [("train/a.jpg", "dog"), ("train/b.jpg", "cat"), ("val/c.jpg", "cat")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\r\n", "\n"),
        lambda text: text.replace(",", ", ").replace("\r\n", " \r\n\r\n") + ",\r\n",
    ],
)
def test_a_list_of_labels(tmp_path, spoil):
    write_list(tmp_path, ROWS)
    path = tmp_path / "labels.csv"
    path.write_bytes(spoil(path.read_bytes().decode()).encode())
    data = find_images(tmp_path)
    assert data.classes == ("cat", "dog")
    assert [image.label for image in data.splits["train"]] == [1, 0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("elsewhere/d.jpg", "cat"), r"labels\.csv, line 5: 'elsewhere/d\.jpg'"),
        (("/train/d.jpg", "cat"), r"line 5: '/train/d\.jpg'"),
        (("train/a.jpg", "cat"), r"line 5: train/a\.jpg is in line 2, too"),
        (("train/d.jpg", "x" * 200_000), r"line 4: field larger than field limit"),
        (("train/d\n.jpg", ""), r"line 6: .* is not a file below"),
    ],
)
def test_rows_that_do_not_fit(tmp_path, row, message):
    write_list(tmp_path, [*ROWS, row])
    with pytest.raises(InputError, match=message):
        find_images(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file_name;label\ntrain/a.jpg;cat\n", "columns file_name,label, separated by commas"),
        (b"", "columns file_name,label"),
        ("file_name,label\ntrain/a.jpg,K\u00e4se\n".encode("latin1"), "not UTF-8 text"),
        (b"file_name,label\ntrain/a.jpg,cat\n", "one class, 'cat'"),
    ],
)
def test_what_is_no_list(tmp_path, content, message):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        find_images(tmp_path)


def test_the_first_kind_of_data_is_looked_at(small, tmp_path):
    data = find_labels(small)
    assert isinstance(data, LabelledImages)
    assert (task_of(data), other_tasks(small, "cls")) == ("cls", [])
    demo = make_demo(tmp_path / "demo", train=4, val=2, image_size=64)
    found = {task: task_of(find_labels(demo, task)) for task in (None, "det", "seg", "cls")}
    assert found == {None: "det", "det": "det", "seg": "seg", "cls": "cls"}
    assert other_tasks(demo, "det") == ["seg", "cls"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="No masks and no classes either"):
        find_labels(tmp_path / "empty")
    with pytest.raises(NoClassesError, match=r"Looked for train/<class>"):
        find_labels(tmp_path / "empty", "cls")
