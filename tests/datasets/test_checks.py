import json
import shutil

import pytest
from dataset_helpers import shared_data, tiny_coco, write_tiny_coco

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import check_coco, find_coco, make_demo


def set_path(content: dict, path: str, value) -> dict:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        content = content[part]
    if value is KeyError:
        del content[last]
    else:
        content[last] = value
    return content


def message_of(ann_file, images, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        check_coco(ann_file, images, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert str(ann_file) in message
    return message


def test_counts_of_real_blood_cells():
    layout = find_coco(shared_data("bccd"))
    summary = check_coco(layout.val_ann, layout.val_images, decode=True)
    assert summary.num_images == 87
    assert summary.class_counts == {"WBC": 87, "RBC": 967, "Platelets": 83}
    assert summary.image_sizes == {(640, 480): 87}
    assert summary.num_boxes == summary.size_classes.total() == 1137
    assert summary.warnings == []


def test_counts_of_real_coco():
    layout = find_coco(shared_data("coco_ccby"))
    summary = check_coco(layout.val_ann, layout.val_images, decode=True)
    annotations = json.loads(layout.val_ann.read_text())["annotations"]
    assert (summary.num_images, summary.num_crowd) == (45, 6)
    assert summary.num_boxes == len(annotations) - 6 == 399
    assert summary.size_classes == {"small": 181, "medium": 127, "large": 91}
    assert any("images without annotation: 2" in warning for warning in summary.warnings)


def test_demo_is_clean(tmp_path):
    layout = find_coco(make_demo(tmp_path / "demo", train=10, val=1, image_size=64))
    assert check_coco(layout.train_ann, layout.train_images, decode=True).warnings == []


def test_printed_summary(tmp_path):
    text = str(check_coco(*write_tiny_coco(tmp_path)))
    assert "images   2, width 40 to 40, height 30 to 30" in text
    assert "boxes    2 (2 small, 0 medium, 0 large), crowd regions 0" in text
    assert "classes  2: cat 1, dog 1" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the annotation file is empty"),
        ("  \n", "the annotation file is empty"),
        ('{"images": [\n  {"id": 1,}]}', "broken JSON at line 2 column 12"),
        ('{"images": [', "broken JSON at line 1 column 13"),
        ("[1, 2]", "this one is a list"),
        ('{"images": []}', "'images' is empty"),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": ' + "1" * 5000 + "}", "broken JSON: Exceeds the limit"),
    ],
)
def test_broken_file(tmp_path, text, message):
    annotations, images = write_tiny_coco(tmp_path)
    annotations.write_text(text)
    assert message in message_of(annotations, images)


def test_binary_file(tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    shutil.copy(images / "a.jpg", annotations)
    assert "not UTF-8 text (byte 0)" in message_of(annotations, images)


def test_missing_annotation_file(tmp_path):
    _, images = write_tiny_coco(tmp_path)
    with pytest.raises(MissingFileError, match=r"nothing.json does not exist"):
        check_coco(tmp_path / "nothing.json", images)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("annotations", KeyError, "no 'annotations'"),
        ("annotations", [], "'annotations' is empty"),
        ("categories", {}, "'categories' is a object"),
        ("images.1", 7, "images[1] is a number"),
        ("images.1.width", KeyError, "images[1] (id 2) has no 'width'; it must have id, file_name"),
        ("images.1.height", 0, "images[1] (id 2) has the size (40, 0)"),
        ("images.1.id", 1, "images[1] (id 1) has the same id as another one"),
        ("images.1.file_name", None, "images[1] (id 2) has the file_name None"),
        ("annotations.1.id", 1, "annotations[1] (id 1) has the same id as another one"),
        (
            "annotations.1.image_id",
            99,
            "annotations[1] (id 2) has the image_id 99, which is not in 'images'",
        ),
        ("annotations.1.image_id", [2], "annotations[1] (id 2) has the image_id [2]"),
        ("annotations.1.category_id", 2, "annotations[1] (id 2) has the category_id 2"),
        ("annotations.1.bbox", [1, 2, 3], "annotations[1] (id 2) has the bbox [1, 2, 3]"),
        (
            "annotations.1.bbox",
            [1, 2, float("nan"), 4],
            "annotations[1] (id 2) has the bbox [1, 2, nan, 4]",
        ),
        ("annotations.1.bbox", None, "annotations[1] (id 2) has the bbox None"),
        ("annotations.1.bbox", [1, 2, 10**400, 4], "(id 2) has the bbox [1, 2, 1000"),
        ("annotations.1.id", KeyError, "annotations[1] has no 'id'"),
        ("annotations.1.id", [1], "annotations[1] (id [1]) has the id [1], it must be a whole"),
        ("annotations.1.id", "a", "(id 'a') has the id 'a', it must be a whole number, 0 or above"),
        ("images.1.id", "b", "images[1] (id 'b') has the id 'b', it must be a whole number"),
        ("images.1.id", -2, "images[1] (id -2) has the id -2, it must be a whole number"),
        ("images.1.id", True, "images[1] (id True) has the id True"),
        ("categories.1.id", "5", "categories[1] has no valid 'id', a whole number, 0 or above"),
        ("categories.1.id", -5, "categories[1] has no valid 'id'"),
        ("annotations.1.area", KeyError, "annotations[1] (id 2) has no 'area'"),
        ("annotations.1.area", "81", "annotations[1] (id 2) has the area '81'"),
        ("categories.1.id", 1, "two categories have the id 1"),
        ("categories.1.name", "cat", "two categories have the name 'cat'"),
        ("categories.1.name", KeyError, "categories[1] has no valid 'name'"),
    ],
)
def test_bad_record(tmp_path, path, value, message):
    content = tiny_coco()
    set_path(content, path, value)
    assert message in message_of(*write_tiny_coco(tmp_path, content))


@pytest.mark.parametrize(
    ("bbox", "area"),
    [([3, 3, 0, 9], 0), ([3, 3, 0.5, 9], 4.5), ([50, 3, 9, 9], 81), ([3, 3, 9, 9], 0)],
)
def test_degenerate_boxes_are_counted_as_mmdet_drops_them(tmp_path, bbox, area):
    content = tiny_coco()
    content["annotations"][1].update(bbox=bbox, area=area)
    summary = check_coco(*write_tiny_coco(tmp_path, content))
    assert summary.num_boxes == 1
    assert "left out" in summary.warnings[0]
    assert "annotation 2" in summary.warnings[0]
    assert summary.warnings[1] == "classes without a box: 1 (dog)"


def test_no_usable_box_at_all(tmp_path):
    content = tiny_coco()
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][1]["area"] = 0
    message = message_of(*write_tiny_coco(tmp_path, content))
    assert "none of the annotations has a usable box (1 crowd regions, 1 without area" in message


def test_missing_images_are_counted_and_named(tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    (images / "b.jpg").unlink()
    message = message_of(annotations, images)
    assert "1 of 2 images" in message
    assert message.endswith("b.jpg")


def test_missing_image_folder(tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    assert "does not exist" in message_of(annotations, images.with_name("photos"))


def test_images_in_subfolders(tmp_path):
    content = tiny_coco()
    content["images"][0]["file_name"] = "sub/a.jpg"
    annotations, images = write_tiny_coco(tmp_path, content)
    (images / "sub").mkdir()
    (images / "a.jpg").rename(images / "sub" / "a.jpg")
    assert check_coco(annotations, images).num_images == 2


def test_truncated_image_is_found_by_decoding(tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    data = (images / "b.jpg").read_bytes()
    (images / "b.jpg").write_bytes(data[: len(data) // 2])
    assert check_coco(annotations, images).num_images == 2
    message = message_of(annotations, images, decode=True)
    assert "1 of 2 images" in message
    assert f"{images / 'b.jpg'} is truncated" in message
