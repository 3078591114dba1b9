import json
import shutil

import pytest
from dataset_helpers import shared_data, tiny_coco, write_tiny_coco

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import find_data, find_labels, make_demo, paths_of
from mnv4_vision.datasets._coco_json import read_categories, read_coco_json


def two_files(root, train: dict, val: dict):
    write_tiny_coco(root, train)
    (root / "val.json").write_text(json.dumps(val))


def test_demo(tmp_path):
    root = make_demo(tmp_path / "demo", train=1, val=1, image_size=64)
    layout = find_data(root)
    assert layout.classes == ("disc", "ring", "triangle", "star", "cross")
    assert layout.train_ann == root / "annotations" / "instances_train.json"
    assert layout.val_images == root / "val"


def test_coco_2017():
    root = shared_data("coco_ccby")
    layout = find_data(root)
    assert layout.val_ann == root / "annotations" / "instances_val2017.json"
    assert layout.train_images == root / "train2017"
    assert len(layout.classes) == 80
    assert layout.classes[0] == "person"
    assert layout.classes[-1] == "toothbrush"


def test_train_and_val_json_with_one_image_folder():
    root = shared_data("bccd")
    layout = find_data(root)
    assert layout.classes == ("WBC", "RBC", "Platelets")
    assert layout.train_ann == root / "train.json"
    assert layout.train_images == layout.val_images == root / "images"


def test_labels_follow_the_file_as_in_mmdet(tmp_path):
    content = tiny_coco()
    content["categories"].reverse()
    two_files(tmp_path, content, content)
    assert find_data(tmp_path).classes == ("dog", "cat")


def test_evaluation_needs_only_the_val_split(tmp_path):
    annotations, _ = write_tiny_coco(tmp_path)
    annotations.rename(tmp_path / "val.json")
    with pytest.raises(MissingFileError):
        find_data(tmp_path)
    assert find_data(tmp_path, need=("val",)).classes == ("cat", "dog")


def test_missing_root_says_how_to_get_data(tmp_path):
    with pytest.raises(MissingFileError) as caught:
        find_data(tmp_path / "nowhere")
    message = str(caught.value)
    assert str(tmp_path / "nowhere") in message
    assert "python tools/data.py demo" in message
    assert "python tools/data.py download coco" in message
    assert "\n" not in message


def test_unknown_layout_lists_every_path_and_what_is_there(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(MissingFileError) as caught:
        find_data(tmp_path)
    message = str(caught.value)
    for part in (
        str(tmp_path),
        "which holds pictures",
        "tools/data.py demo",
        "COCO (annotations/instances_train2017.json, or annotations/instances_train.json, or train",
        "YOLO (data.yaml",
        "VOC (Annotations/*.xml",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("inner/annotations/instances_train.json", "inner looks like a data set: pass that folder"),
        ("annotations.json", "is not divided into train and val (one annotation file"),
        ("labels/a.txt", "YOLO needs a data.yaml with names, train and val"),
        ("photos/a/b/c.JPG", "There are 1 images, but no annotations in a known format"),
        ("labels/train/a.txt", "YOLO needs a data.yaml with names, train and val"),
        ("obj.names", "export it anew, as COCO"),
    ],
)
def test_unknown_layout_ends_with_a_guess(tmp_path, file, message):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("")
    with pytest.raises(MissingFileError) as caught:
        find_data(tmp_path)
    assert message in str(caught.value)


def test_labelme_is_recognised(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text('{"shapes": [], "imagePath": "a.jpg"}')
    with pytest.raises(MissingFileError, match=r"labelme's \.json files, one an image: convert"):
        find_data(tmp_path)


@pytest.mark.parametrize(
    ("file", "folder", "prefix"),
    [
        ("annotations/instances_{}.json", "images/{}", ""),
        ("annotations/instances_{}.json", "images", ""),
        ("annotations/instances_{}.json", ".", "images/"),
        ("annotations/instances_{}2017.json", "images/{}2017", ""),
        ("annotations/{}.json", "images/{}", ""),
        ("{}.json", "images/{}", ""),
        ("{}.json", ".", "images/"),
        ("{}.json", "images", "{}/"),
    ],
)
@pytest.mark.parametrize("names", [("train", "val"), ("train", "valid"), ("Train", "Validation")])
def test_images_are_found_where_their_names_lead(tmp_path, file, folder, prefix, names):
    (tmp_path / "images").mkdir()
    for name in names:
        content = tiny_coco()
        folder_here = tmp_path / folder.format(name)
        for image in content["images"]:
            image["file_name"] = prefix.format(name) + image["file_name"]
            (folder_here / image["file_name"]).parent.mkdir(parents=True, exist_ok=True)
            (folder_here / image["file_name"]).touch()
        path = tmp_path / file.format(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    layout = find_data(tmp_path)
    train, val = names
    assert layout.train_ann == tmp_path / file.format(train)
    assert (layout.train_images, layout.val_images) == (
        tmp_path / folder.format(train),
        tmp_path / folder.format(val),
    )


def test_set_without_train_can_be_looked_at(tmp_path):
    two_files(tmp_path, tiny_coco(), tiny_coco())
    assert list(paths_of(find_labels(tmp_path))) == ["train", "val"]
    (tmp_path / "train.json").unlink()
    assert list(paths_of(find_labels(tmp_path))) == ["val"]
    with pytest.raises(
        MissingFileError, match=r"has val.json, but no annotations of a train split"
    ):
        find_data(tmp_path)


def test_roots_as_people_write_them(tmp_path, monkeypatch):
    two_files(tmp_path, tiny_coco(), tiny_coco())
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert find_data(f"~/{tmp_path.name}").train_ann == tmp_path / "train.json"
    with pytest.raises(MissingFileError, match="is a file: pass the folder"):
        find_data(tmp_path / "train.json")
    with pytest.raises(MissingFileError, match="does not exist"):
        find_data("x" * 300)


def test_roboflows_unused_class_of_the_same_name(tmp_path):
    content = tiny_coco()
    content["categories"].insert(0, {"id": 0, "name": "cat", "supercategory": "none"})
    two_files(tmp_path, content, content)
    with pytest.raises(InputError, match="two categories have the name 'cat': delete the one"):
        find_data(tmp_path)


def test_train_and_valid_folders_with_json_beside_the_images(tmp_path):
    annotations, images = write_tiny_coco(tmp_path / "tiny")
    for folder in ("train", "valid"):
        shutil.copytree(images, tmp_path / folder)
        shutil.copy(annotations, tmp_path / folder / "_annotations.coco.json")
    layout = find_data(tmp_path)
    assert layout.val_ann == tmp_path / "valid" / "_annotations.coco.json"
    assert layout.val_images == tmp_path / "valid"


def test_missing_image_folder_is_named(tmp_path):
    two_files(tmp_path, tiny_coco(), tiny_coco())
    (tmp_path / "images").rename(tmp_path / "photos")
    with pytest.raises(MissingFileError, match=r"image folder .*images is missing"):
        find_data(tmp_path)


def test_other_classes_in_val_are_refused(tmp_path):
    val = tiny_coco()
    val["categories"][1]["name"] = "dgo"
    two_files(tmp_path, tiny_coco(), val)
    with pytest.raises(InputError, match=r"val.json has other categories \(dgo, dog in only one"):
        find_data(tmp_path)


def test_another_order_in_val_is_refused(tmp_path):
    val = tiny_coco()
    val["categories"].reverse()
    two_files(tmp_path, tiny_coco(), val)
    with pytest.raises(InputError, match=r"val.json has the same categories in another order"):
        find_data(tmp_path)


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
