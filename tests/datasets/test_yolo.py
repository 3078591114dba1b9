import json
import shutil

import numpy as np
import pytest
from format_samples import PICTURES, boxes_of, message_of, write_image, write_yolo

from mnv4_vision.datasets import LoadImage, convert_set, divide_set, find_data


def set_yaml(root, text: str):
    (root / "data.yaml").write_text(text)
    return root


def test_boxes_in_pixels(tmp_path):
    layout = find_data(write_yolo(tmp_path))
    assert layout.format == "yolo"
    assert layout.classes == ("dog", "cat")
    assert layout.val_images == tmp_path / "images" / "val"
    assert boxes_of(layout.train_ann) == PICTURES["train"]
    assert boxes_of(layout.val_ann) == PICTURES["val"]
    content = json.loads(layout.train_ann.read_text())
    assert content["images"][0]["source"] == "images/train/a.jpg"
    assert content["annotations"][1]["source"] == "labels/train/a.txt:2"


@pytest.mark.parametrize(
    "text",
    [
        "path: .\ntrain: images/train\nval: images/val\nnames: {0: dog, 1: cat}\nnc: 2",
        "train: ./images/train/\nval: [images/val]\nnames:\n- dog\n- cat\ntest: images/test",
        "train: ../images/train\nval: ../images/val\nnames: [dog, cat]",
        "path: /somewhere/else\ntrain: images/train\nval: images/val\nnames: [dog, cat]",
        "path: images\ntrain: train\nval: val\nnames: [dog, cat]\ndownload: https://x",
        "train: train.txt\nval: images/val\nnames: [dog, cat]",
        "train: train.txt\nvalidation: images/val\nnames: [dog, cat]",
    ],
)
def test_ways_to_name_the_images(tmp_path, text):
    write_yolo(tmp_path)
    (tmp_path / "train.txt").write_text("./images/train/a.jpg\n\n")
    layout = find_data(set_yaml(tmp_path, text))
    assert boxes_of(layout.train_ann) == PICTURES["train"]
    assert boxes_of(layout.val_ann) == PICTURES["val"]


def test_roboflow_folders(tmp_path):
    write_yolo(tmp_path)
    for split, folder in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            shutil.move(tmp_path / kind / split, tmp_path / folder / kind)
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [dog, cat]"
    layout = find_data(set_yaml(tmp_path, text))
    assert layout.val_images == tmp_path / "valid" / "images"
    assert boxes_of(layout.train_ann) == PICTURES["train"]


def test_only_yaml_with_names(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").rename(tmp_path / "pets.yaml")
    (tmp_path / "docker.yml").write_text("services: {}")
    assert find_data(tmp_path).classes == ("dog", "cat")


def test_several_folders(tmp_path):
    write_yolo(tmp_path)
    set_yaml(tmp_path, "train: [images/train, images/val]\nval: images/val\nnames: [dog, cat]")
    layout = find_data(tmp_path)
    assert layout.train_images == tmp_path / "images"
    assert set(boxes_of(layout.train_ann)) == {"train/a.jpg", "val/b.jpg"}


def test_picture_turned_by_exif(tmp_path):
    from PIL import Image

    write_yolo(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "images" / "val" / "b.jpg"
    Image.fromarray(np.zeros((50, 20, 3), np.uint8)).save(path, exif=exif)
    ((width, height), boxes) = boxes_of(find_data(tmp_path).val_ann)["b.jpg"]
    assert (width, height) == (50, 20)
    assert boxes == [("cat", (12.5, 4, 25, 10))]
    sample = dict(img_path=str(path), width=width, height=height)
    assert LoadImage()(sample)["img"].shape == (20, 50, 3)


def test_polygon_gives_its_box(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.1 0.2 0.5 0.3 0.25 0.8\n")
    layout = find_data(tmp_path)
    assert boxes_of(layout.train_ann)["a.jpg"][1] == [("dog", (4, 6, 16, 18))]
    assert layout.warnings == ("train: rows with a polygon, read as its box: 1",)


def test_background_images_and_stray_labels(tmp_path):
    write_yolo(tmp_path)
    write_image(tmp_path / "images" / "train" / "empty.png", (8, 8))
    (tmp_path / "labels" / "train" / "gone.txt").write_text("0 .5 .5 .1 .1\n")
    layout = find_data(tmp_path)
    assert boxes_of(layout.train_ann)["empty.png"] == ((8, 8), [])
    assert layout.warnings == (
        "train: images without label file, taken as empty: 1 (empty.png)",
        "train: label files without image: 1 (gone.txt)",
    )
    assert find_data(tmp_path).warnings == layout.warnings  # from the cache too


def test_rows_with_keypoints_give_their_box(tmp_path):
    write_yolo(tmp_path)
    set_yaml(
        tmp_path, "names: [dog, cat]\ntrain: images/train\nval: images/val\nkpt_shape: [2, 2]\n"
    )
    (tmp_path / "labels/train/a.txt").write_text("0 .5 .5 .5 .4 .9 .9 .1 .1\n")
    assert boxes_of(find_data(tmp_path).train_ann)["a.jpg"][1] == [("dog", (10, 9, 20, 12))]


def test_rounding_beyond_the_border_is_accepted(tmp_path):
    (write_yolo(tmp_path) / "labels/train/a.txt").write_text("0 .5 .5 1.005 1\n")
    (_, ((_, box),)) = boxes_of(find_data(tmp_path).train_ann)["a.jpg"]
    assert box == pytest.approx((-0.1, 0, 40.2, 30))


def test_hidden_folders_are_left_out_and_links_followed(tmp_path):
    write_yolo(tmp_path / "set")
    write_image(tmp_path / "set/images/train/.ipynb_checkpoints/a-checkpoint.jpg", (8, 8))
    write_image(tmp_path / "elsewhere/c.jpg", (8, 8))
    (tmp_path / "set/images/train/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/images/train/loop").symlink_to(tmp_path / "set/images/train")
    assert set(boxes_of(find_data(tmp_path / "set").train_ann)) == {"a.jpg", "more/c.jpg"}


def test_link_to_nowhere_is_named(tmp_path):
    (write_yolo(tmp_path) / "images/train/c.jpg").symlink_to(tmp_path / "gone.jpg")
    assert "images/train/c.jpg does not exist" in message_of(tmp_path)


@pytest.mark.parametrize("images", [0, 1])
def test_split_for_testing_needs_no_labels(tmp_path, images):
    set_yaml(
        write_yolo(tmp_path / "set"),
        "names: [dog, cat]\ntrain: images/train\nval: images/val\ntest: images/test\n",
    )
    (tmp_path / "set/images/test").mkdir()
    if images:
        write_image(tmp_path / "set/images/test/t.jpg", (8, 8))
    assert find_data(tmp_path / "set").warnings == ()
    loaded, _ = convert_set(tmp_path / "set", "coco", tmp_path / "coco")
    assert list(loaded.splits) == ["train", "val", "test"][: 2 + images]


def test_labels_beside_the_images(tmp_path):
    for index in range(4):
        write_image(tmp_path / f"{index}.JPG", (8, 8), index)
        (tmp_path / f"{index}.txt").write_text("1 .5 .5 .5 .5\n")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert "is not divided into train and val (YOLO without splits" in message_of(tmp_path)
    divide_set(tmp_path, tmp_path / "divided", val=0.25)
    layout = find_data(tmp_path / "divided")
    assert [boxes for _, boxes in boxes_of(layout.val_ann).values()] == [[("cat", (2, 2, 4, 4))]]


def test_root_with_dots(tmp_path):
    (write_yolo(tmp_path / "set") / "inner").mkdir()
    assert find_data(tmp_path / "set/inner/..").val_images == tmp_path / "set/images/val"


def test_cache_follows_the_content(tmp_path):
    write_yolo(tmp_path)
    first = find_data(tmp_path)
    before = first.train_ann.stat().st_mtime_ns
    assert find_data(tmp_path) == first
    assert first.train_ann.stat().st_mtime_ns == before
    (tmp_path / "labels" / "train" / "a.txt").write_text("1 .5 .5 1 1\n")
    assert boxes_of(find_data(tmp_path).train_ann)["a.jpg"][1] == [("cat", (0, 0, 40, 30))]
    write_image(tmp_path / "images" / "train" / "a.jpg", (80, 60))
    assert boxes_of(find_data(tmp_path).train_ann)["a.jpg"] == ((80, 60), [("cat", (0, 0, 80, 60))])
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 .5 .5 .1", "4 columns; a box has 5 (class x_centre y_centre width height)"),
        ("0 .5 .5 .1 .1 .9", "6 columns"),
        ("0 .5 .5 .1 .1 .9 .8 .7", "8 columns"),
        ("2 .5 .5 .1 .1", "the class is '2', it must be 0 to 1, the classes of data.yaml"),
        ("-1 .5 .5 .1 .1", "the class is '-1'"),
        ("0.5 .5 .5 .1 .1", "the class is '0.5'"),
        ("dog .5 .5 .1 .1", "the class is 'dog'"),
        ("nan .5 .5 .1 .1", "the class is 'nan'"),
        ("0 .5 .5 .1 1.2", "the value '1.2' is not in 0 to 1"),
        ("0 -.5 .5 .1 .1", "the value '-.5' is not in 0 to 1"),
        ("0 .5 nan .1 .1", "the value 'nan' is not in 0 to 1"),
        ("0 .5 .5 .1 half", "the value 'half' is not in 0 to 1"),
    ],
)
def test_bad_row(tmp_path, row, message):
    labels = write_yolo(tmp_path) / "labels" / "train" / "a.txt"
    labels.write_text(f"1 .5 .5 1 1\n\n{row}\n")
    assert f"{labels}:3: {message}" in message_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [dog, cat", "broken YAML at line 1 column 17: expected"),
        ("a: &a [1]\nnames: !!python/object:os.system x", "broken YAML at line 2 column 8"),
        ("- 1", "must hold keys such as names"),
        ("names: 3", "names is 3; it must list the classes"),
        ("train: images/train\nval: images/val", "names is None"),
        ("names: {1: dog, 2: cat}", "the keys of names are [1, 2], they must count from 0 to 1"),
        ("names: [dog, no]", "names[1] is False, it must be a text; YAML reads no, yes"),
        ("names: [dog, dog]", "the class 'dog' is in names twice"),
        ("names: [dog, cat]\nnc: 3", "nc is 3, but names has 2 classes"),
        ("names: [dog, cat]", "has neither train nor val"),
        (
            "names: [dog, cat]\ntrain: images/tra\nval: images/val",
            "images/tra, which does not exist",
        ),
        ("names: [dog, cat]\ntrain: 3\nval: images/val", "train is 3, it must be a path"),
        ("names: [dog, cat]\ntrain: /etc\nval: images/val", "train is '/etc', outside of"),
        ("names: [dog, cat]\ntrain: D:\\set\\images\nval: images/val", "outside of"),
        ("names: [dog, cat]\ntrain: a/../../b/../..\nval: images/val", "outside of"),
        ("names: [dog, cat]\ntrain: labels\nval: images/val", "labels holds no images"),
        ("names: [dog, cat]\ntrain: [images/train, .]\nval: list.txt", "list.txt:1: image "),
    ],
)
def test_bad_data_yaml(tmp_path, text, message):
    set_yaml(write_yolo(tmp_path), text)
    (tmp_path / "list.txt").write_text("images/val/c.jpg\n")
    assert message in message_of(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/etc/passwd.jpg", "train.txt:2: '/etc/passwd.jpg' is outside of"),
        ("../x.jpg", "train.txt:2: '../x.jpg' is outside of"),
        ("images/train/a.jpg", "train.txt:2: 'images/train/a.jpg' is listed twice"),
    ],
)
def test_bad_list_of_images(tmp_path, line, message):
    set_yaml(write_yolo(tmp_path), "names: [dog, cat]\ntrain: train.txt\nval: images/val")
    (tmp_path / "train.txt").write_text(f"images/train/a.jpg\n{line}\n")
    assert message in message_of(tmp_path)


def test_yaml_alias_bomb_is_answered_at_once(tmp_path):
    lines = ["a0: &a0 [x]"] + [
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)
    ]
    set_yaml(write_yolo(tmp_path), "\n".join([*lines, "names: [*a11]"]))
    assert "it must be a text" in message_of(tmp_path)


def test_no_label_file_at_all(tmp_path):
    shutil.rmtree(write_yolo(tmp_path) / "labels" / "val")
    message = message_of(tmp_path)
    assert "none of the 1 images of val has a label file" in message
    assert "labels/val/b.txt" in message


def test_two_images_for_one_label_file(tmp_path):
    write_image(write_yolo(tmp_path) / "images" / "train" / "a.png", (8, 8))
    assert "share one annotation file, 'a'" in message_of(tmp_path)


def test_label_file_in_another_encoding(tmp_path):
    labels = write_yolo(tmp_path) / "labels" / "train" / "a.txt"
    labels.write_bytes("0 .5 .5 .1 .1".encode("utf-16"))
    assert f"label file {labels} is not UTF-8 text (byte 0)" in message_of(tmp_path)


def test_image_without_header(tmp_path):
    (write_yolo(tmp_path) / "images" / "train" / "a.jpg").write_bytes(b"no image")
    assert "a.jpg has no readable header" in message_of(tmp_path)


def test_read_only_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MNV4_VISION_CACHE", str(tmp_path / "file" / "cache"))
    assert "set MNV4_VISION_CACHE" in message_of(write_yolo(tmp_path / "set"))
