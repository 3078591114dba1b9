import json

import pytest
from dataset_helpers import shared_data, tiny_coco, write_tiny_coco

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import find_coco, make_demo
from mnv4_vision.datasets._coco_json import read_categories, read_coco_json


def two_files(root, train: dict, val: dict):
    write_tiny_coco(root, train)
    (root / "val.json").write_text(json.dumps(val))


def test_demo(tmp_path):
    root = make_demo(tmp_path / "demo", train=1, val=1, image_size=64)
    layout = find_coco(root)
    assert layout.classes == ("disc", "ring", "triangle", "star", "cross")
    assert layout.train_ann == root / "annotations" / "instances_train.json"
    assert layout.val_images == root / "val"


def test_coco_2017():
    root = shared_data("coco_ccby")
    layout = find_coco(root)
    assert layout.val_ann == root / "annotations" / "instances_val2017.json"
    assert layout.train_images == root / "train2017"
    assert len(layout.classes) == 80
    assert layout.classes[0] == "person"
    assert layout.classes[-1] == "toothbrush"


def test_train_and_val_json_with_one_image_folder():
    root = shared_data("bccd")
    layout = find_coco(root)
    assert layout.classes == ("WBC", "RBC", "Platelets")
    assert layout.train_ann == root / "train.json"
    assert layout.train_images == layout.val_images == root / "images"


def test_labels_follow_the_file_as_in_mmdet(tmp_path):
    content = tiny_coco()
    content["categories"].reverse()
    two_files(tmp_path, content, content)
    assert find_coco(tmp_path).classes == ("dog", "cat")


def test_evaluation_needs_only_the_val_split(tmp_path):
    annotations, _ = write_tiny_coco(tmp_path)
    annotations.rename(tmp_path / "val.json")
    with pytest.raises(MissingFileError):
        find_coco(tmp_path)
    assert find_coco(tmp_path, need=("val",)).classes == ("cat", "dog")


def test_missing_root_says_how_to_get_data(tmp_path):
    with pytest.raises(MissingFileError) as caught:
        find_coco(tmp_path / "nowhere")
    message = str(caught.value)
    assert str(tmp_path / "nowhere") in message
    assert "python tools/data.py demo" in message
    assert "cocodataset.org" in message
    assert "\n" not in message


def test_unknown_layout_lists_every_path_and_what_is_there(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(MissingFileError) as caught:
        find_coco(tmp_path)
    message = str(caught.value)
    for part in (
        str(tmp_path),
        "which holds pictures",
        "annotations/instances_train2017.json + annotations/instances_val2017.json",
        "annotations/instances_train.json",
        "train.json + val.json",
    ):
        assert part in message


def test_missing_image_folder_is_named(tmp_path):
    two_files(tmp_path, tiny_coco(), tiny_coco())
    (tmp_path / "images").rename(tmp_path / "photos")
    with pytest.raises(MissingFileError, match=r"image folder .*images is missing"):
        find_coco(tmp_path)


def test_other_classes_in_val_are_refused(tmp_path):
    val = tiny_coco()
    val["categories"][1]["name"] = "dgo"
    two_files(tmp_path, tiny_coco(), val)
    with pytest.raises(InputError, match=r"val.json has other categories \(dgo, dog in only one"):
        find_coco(tmp_path)


def test_another_order_in_val_is_refused(tmp_path):
    val = tiny_coco()
    val["categories"].reverse()
    two_files(tmp_path, tiny_coco(), val)
    with pytest.raises(InputError, match=r"val.json has the same categories in another order"):
        find_coco(tmp_path)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("decoy", ["none", "in image records", "escaped in a string"])
def test_categories_without_parsing_the_file_are_the_same(tmp_path, indent, decoy):
    content = tiny_coco()
    if decoy == "in image records":
        content["images"][0]["categories"] = [{"id": 9, "name": "decoy"}]
    if decoy == "escaped in a string":
        content["info"] = {"note": '"categories": [{"name": "decoy"}]'}
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content, indent=indent))
    assert read_categories(path) == read_coco_json(path)["categories"] == content["categories"]
