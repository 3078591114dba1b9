"""What is no COCO detection file at all stops at once, with one line that names the record."""

import shutil

import pytest
from dataset_helpers import set_path, tiny_coco, write_tiny_coco

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import SplitPaths, verify_data


def message_of(ann_file, images) -> str:
    with pytest.raises(InputError) as caught:
        verify_data({"train": SplitPaths(ann_file, images)})
    message = str(caught.value)
    assert "\n" not in message
    assert str(ann_file) in message
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the annotation file is empty"),
        ("  \n", "the annotation file is empty"),
        ('{"images": [\n  {"id": 1,}]}', "broken JSON at line 2 column 12"),
        ('{"images": [', "broken JSON at line 1 column 13"),
        ("\ufeff{}", "starts with a byte order mark"),
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
        verify_data({"train": SplitPaths(tmp_path / "nothing.json", images)})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("annotations", KeyError, "no 'annotations'"),
        ("annotations", [], "'annotations' is empty"),
        ("categories", {}, "'categories' is a object"),
        ("images.1", 7, "images[1] is a number"),
        ("images.1.width", KeyError, "images[1] (id 2) has no 'width'; it must have id, file_name"),
        ("images.1.height", 0, "images[1] (id 2) has the size (40, 0)"),
        ("images.1.file_name", None, "images[1] (id 2) has the file_name None"),
        ("annotations.1.image_id", [2], "annotations[1] (id 2) has the image_id [2]"),
        ("annotations.1.category_id", "a", "annotations[1] (id 2) has the category_id 'a'"),
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


def test_missing_image_folder(tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    assert "does not exist" in message_of(annotations, images.with_name("photos"))


def test_a_converted_record_is_named_as_in_the_users_file(tmp_path):
    content = tiny_coco()
    content["annotations"][1].update(source="labels/b.txt line 1", bbox=None)
    annotations, images = write_tiny_coco(tmp_path, content)
    with pytest.raises(InputError, match=r"^labels/b.txt line 1 has the bbox None"):
        verify_data({"train": SplitPaths(annotations, images)})
