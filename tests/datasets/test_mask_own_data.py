"""Your own photos and masks: folders, class files, and what 0 and 255 mean."""

import json
import shutil

import numpy as np
import pytest
from mask_folders import write_mask, write_pairs, write_photo
from PIL import Image

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import find_labels
from mnv4_vision.datasets.masks import find_masks, read_mask


def own_set(root, values, classes: str | None, name: str = "classes.txt"):
    write_pairs(root, "images/{}", "masks/{}", values)
    if classes is not None:
        (root / name).write_text(classes)
    return root


@pytest.mark.parametrize(
    ("images", "masks", "ending"),
    [
        ("images/{}", "masks/{}", ""),
        ("images/{}", "labels/{}", ""),
        ("images/{}", "annotations/{}", ""),
        ("img_dir/{}", "ann_dir/{}", ""),
        ("image/{}", "annotation/{}", "_mask"),
        ("{}/images", "{}/masks", ""),
        ("{}/images", "{}/seg", "_label"),
        ("{}", "masks/{}", ""),
        ("{}", "{}annot", ""),
        ("{}", "{}_masks", "_mask"),
        ("{}", "{}", "_mask"),
    ],
)
def test_folders_and_names(tmp_path, images: str, masks: str, ending: str):
    write_pairs(tmp_path, images, masks, [0, 1, 2], ending)
    (tmp_path / "classes.txt").write_text("background\ncat\ndog\n")
    data = find_masks(tmp_path)
    assert (data.format, data.classes) == ("folders", ("background", "cat", "dog"))
    for split in ("train", "val"):
        folder = tmp_path / masks.format(split)
        assert [pair.mask for pair in data.splits[split]] == [
            folder / f"a{ending}.png",
            folder / f"b{ending}.png",
        ]
        assert [pair.image.name for pair in data.splits[split]] == ["a.jpg", "b.jpg"]
        assert not any(data.unpaired[split])


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_other_names_of_val(tmp_path, name: str):
    own_set(tmp_path, [0, 1], "a\nb")
    for folder in ("images", "masks"):
        (tmp_path / folder / "val").rename(tmp_path / folder / name)
    assert len(find_masks(tmp_path).splits["val"]) == 2


@pytest.mark.parametrize(
    ("name", "content", "values"),
    [
        ("classes.txt", "background\n\ncat\ndog\n", (0, 1, 2)),
        ("classes.txt", "0: background\n1: cat\n2: dog\n255: void\n", (0, 1, 2)),
        ("class_names.txt", "background\r\ncat\r\ndog", (0, 1, 2)),
        ("labels.txt", "2 background\n0 cat\n1 dog", (2, 0, 1)),
        ("labelmap.txt", "# label:color_rgb:parts\nbackground:::\ncat:::\ndog:::", (0, 1, 2)),
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, cat\n2, dog\n", (0, 1, 2)),
        ("_classes.csv", "0, background\n1, cat\n2, dog\n", (0, 1, 2)),
        ("classes.json", '["background", "cat", "dog"]', (0, 1, 2)),
        ("classes.json", '{"background": 2, "cat": 1, "dog": 0}', (2, 1, 0)),
        ("classes.json", '{"2": "background", "1": "cat", "0": "dog"}', (2, 1, 0)),
        ("classes.json", '{"classes": ["background", "cat", "dog"]}', (0, 1, 2)),
    ],
)  # fmt: skip
def test_class_files(tmp_path, name: str, content: str, values: tuple[int, ...]):
    data = find_masks(own_set(tmp_path, [0, 1, 2], content, name))
    assert data.classes == ("background", "cat", "dog")
    assert data.encoding.values == values
    assert data.encoding.ignored == (255,)
    assert len(data.palette) == 3
    assert name in data.describe(tmp_path)


@pytest.mark.parametrize(
    ("values", "num_classes", "expected", "said"),
    [
        ([0, 1, 2], 3, [0, 1, 2], "0 in the masks is 'c0'"),
        ([1, 2, 3], 3, [0, 1, 2], "0 in the masks is no class"),
        ([0, 1, 2, 3], 3, [255, 0, 1, 2], "0 in the masks is no class"),
        ([1, 2], 3, [1, 2], "0 in the masks is 'c0'"),
        ([0, 2, 255], 3, [0, 2, 255], "0 in the masks is 'c0'"),
        ([0, 255], 2, [0, 1], "255 'c1'"),
        ([0, 1, 255], 2, [0, 1, 255], "0 in the masks is 'c0'"),
    ],
)
def test_the_meaning_of_zero_is_guessed_and_said(tmp_path, values, num_classes, expected, said):
    names = "\n".join(f"c{i}" for i in range(num_classes))
    data = find_masks(own_set(tmp_path, values, names))
    labels = data.encoding.labels(np.array([values], np.uint8))
    assert labels[0].tolist() == expected
    assert said in data.describe(tmp_path)
    assert "guessed" in data.describe(tmp_path)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("0: sky\n7: Void\n255: sea\n", "classes.txt"),
        ('{"sky": 0, "Void": 7, "sea": 255}', "classes.json"),
    ],
)
def test_255_is_a_class_unless_its_name_says_otherwise(tmp_path, content: str, name: str):
    data = find_masks(own_set(tmp_path, [0, 7, 255], content, name))
    assert data.classes == ("sky", "Void", "sea")
    assert data.encoding.labels(np.uint8([[0, 7, 255]])).tolist() == [[0, 1, 2]]
    (tmp_path / name).write_text(content.replace("sea", "_ignore_"))
    data = find_masks(tmp_path)
    assert data.classes == ("sky", "Void")
    assert data.encoding.labels(np.uint8([[0, 7, 255]])).tolist() == [[0, 1, 255]]


def test_masks_of_all_splits_are_looked_at(tmp_path):
    own_set(tmp_path, [0, 1], "a\nb\nc")
    for index in range(60):
        write_photo(tmp_path / f"images/train/{index}.jpg")
        write_mask(tmp_path / f"masks/train/{index}.png", [1])
    write_mask(tmp_path / "masks/val/a.png", [3])
    assert find_masks(tmp_path).encoding.values == (1, 2, 3)


def test_the_guess_is_the_same_for_every_split(tmp_path):
    own_set(tmp_path, [0, 1], "a\nb\nc")
    write_mask(tmp_path / "masks/train/a.png", [3])
    assert find_masks(tmp_path, need=("val",)).encoding.values == (1, 2, 3)


def test_a_given_reduce_zero_label_wins(tmp_path):
    own_set(tmp_path, [0, 1], "a\nb")
    assert find_masks(tmp_path).encoding.values == (0, 1)
    assert find_masks(tmp_path, reduce_zero_label=True).encoding.values == (1, 2)
    (tmp_path / "classes.json").write_text('{"classes": ["a", "b"], "reduce_zero_label": true}')
    data = find_masks(tmp_path)
    assert (data.encoding.values, data.encoding.ignored) == ((1, 2), (0, 255))
    assert "guessed" not in data.describe(tmp_path)
    assert find_masks(tmp_path, reduce_zero_label=False).encoding.values == (0, 1)
    (tmp_path / "classes.json").write_text('{"a": 0, "b": 1}')
    with pytest.raises(InputError, match="reduce_zero_label=True is for classes without values"):
        find_masks(tmp_path, reduce_zero_label=True)


COLOURS = [(0, 0, 0), (128, 0, 0), (0, 128, 255)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labelmap.txt", "# label:color_rgb\nsky:0,0,0::\ncat:128,0,0::\nsea:0,128,255::\n"),
        ("class_dict.csv", "name,r,g,b\nsky,0,0,0\ncat,128,0,0\nsea,0,128,255\n"),
        ("classes.json", json.dumps({"sky": COLOURS[0], "cat": COLOURS[1], "sea": COLOURS[2]})),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["colours", "palette", "indices"])
def test_colours(tmp_path, name: str, content: str, kind: str):
    own_set(tmp_path, COLOURS if kind == "colours" else [0, 1, 2], content, name)
    if kind == "palette":
        for path in tmp_path.rglob("masks/*/*.png"):
            # In another order than the file's: the colour decides.
            image = Image.frombytes("P", (4, 2), bytes([2, 1, 0, 2] * 2))
            image.putpalette([part for colour in COLOURS[::-1] for part in colour])
            image.save(path)
    data = find_masks(tmp_path)
    mask = read_mask(data.splits["val"][0].mask, in_colour=data.encoding.in_colour)
    assert data.encoding.labels(mask)[0].tolist() == [0, 1, 2, 0]
    assert data.palette == tuple(COLOURS)


def test_ignored_values_of_a_class_file(tmp_path):
    content = json.dumps({"classes": {"sky": 4, "sea": 9}, "ignored": [0, 7]})
    data = find_masks(own_set(tmp_path, [0, 4, 7, 9], content, "classes.json"))
    labels = data.encoding.labels(np.array([[0, 4, 7, 9]], np.uint8))
    assert labels.tolist() == [[255, 0, 255, 1]]


def test_own_lists_in_the_layout_of_voc(tmp_path):
    for stem in "ab":
        write_photo(tmp_path / f"JPEGImages/{stem}.jpg")
        write_mask(tmp_path / f"SegmentationClass/{stem}.png", COLOURS[:2])
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "Train.txt").write_text("a\n")
    (lists / "Validation.txt").write_text("b\n")
    with pytest.raises(InputError, match="no class names"):
        find_masks(tmp_path)
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\ncat:128,0,0::\n")
    data = find_masks(tmp_path)
    assert (data.format, data.classes) == ("folders", ("background", "cat"))
    assert [pairs[0].image.stem for pairs in data.splits.values()] == ["a", "b"]


def test_a_class_file_makes_another_set_of_a_known_layout(tmp_path):
    for split in ("train", "val"):
        write_photo(tmp_path / f"{split}/0001TP_1.png")
        write_mask(tmp_path / f"{split}annot/0001TP_1.png", [0, 1])
    assert find_masks(tmp_path).format == "camvid"
    (tmp_path / "classes.txt").write_text("road\ncar")
    assert (data := find_masks(tmp_path)).classes == ("road", "car")
    assert data.format == "folders"


@pytest.mark.parametrize(
    ("values", "classes", "name", "message"),
    [
        ([0, 1, 5], None, "", r"no class names.*values 0, 1, 5; write classes\.txt.* 3 for these"),
        ([(0, 0, 0), (9, 0, 7)], None, "", r"colours \(0, 0, 0\), \(9, 0, 7\).*name1:9,0,7::"),
        ([0, 1, 2], "_background_\nb", "classes.txt", r"a\.png has 2\): correct it"),
        ([0, 1, 9], "a\nb", "classes.txt", r"names 2 classes, but .* values 0, 1, 9"),
        ([(0, 0, 0), (9, 0, 7)], "a\nb", "classes.txt", r"coloured.*`a:r,g,b::`"),
        ([0, 1], "crack", "classes.txt", r"one class, 'crack'.*background"),
        ([0, 1], '{"classes": {"crack": 1}, "ignored": [0]}', "classes.json", r"one class"),
        (
            *([0, 1], '{"classes": {"a": 0, "b": 1}, "reduce_zero_label": false}'),
            *("classes.json", r"reduce_zero_label=False is for classes without values"),
        ),
        ([0, 1], "", "classes.txt", r"classes\.txt is empty"),
        ([0, 1], "a\na", "classes.txt", r"'a' is listed twice"),
        ([0, 1], "a:1,2,3::\nb", "classes.txt", r"'b' has no colour"),
        ([0, 1], "a:1,2,300::\nb:1,2,3::", "classes.txt", r"\[1, 2, 300\] is no value"),
        ([0, 1], '{"a": 1, "b": 1}', "classes.json", r"1 is listed twice"),
        ([0, 1], '{"a": 1, "b": [1, 2, 3]}', "classes.json", r"mixes colours and numbers"),
        ([0, 1], '{"a": -1, "b": 1}', "classes.json", r"-1 is no value"),
        ([0, 1], '{"classes": ["a", "b"], "ignore": [3]}', "classes.json", r"unknown key 'ignore'"),
        ([0, 1], '{"classes": ["a", "b"], "ignored": 3}', "classes.json", r"not a list"),
        ([0, 1], "7", "classes.json", r"a class file is a list of names"),
        ([0, 1], "[", "classes.json", r"classes\.json"),
        ([0, 1], "\n".join(map(str, range(300))), "classes.txt", r"300 classes, allowed"),
    ],
)
def test_bad_class_files(tmp_path, values, classes, name: str, message: str):
    with pytest.raises(InputError, match=message):
        find_masks(own_set(tmp_path, values, classes, name))


def test_masks_of_other_names_and_jpeg_masks(tmp_path):
    write_photo(tmp_path / "images/train/a.jpg")
    write_mask(tmp_path / "masks/train/z.png", [0])
    with pytest.raises(InputError, match=r"no image in .*a\.jpg.*z\.png"):
        find_masks(tmp_path, need=("train",))
    (tmp_path / "masks/train/z.png").unlink()
    write_photo(tmp_path / "masks/train/a.jpg")
    with pytest.raises(InputError, match=r"as \.jpg, which changes values"):
        find_masks(tmp_path, need=("train",))


@pytest.mark.parametrize("task", [None, "seg"])
def test_folders_without_splits_are_named(tmp_path, task: str | None):
    write_photo(tmp_path / "images/a.jpg")
    write_mask(tmp_path / "masks/a.png", [0, 1])
    with pytest.raises(MissingFileError, match=r"images and .*masks are not divided into train"):
        find_labels(tmp_path, task)
    own_set(tmp_path, [0, 1], "a\nb")
    shutil.rmtree(tmp_path / "masks/val")
    with pytest.raises(MissingFileError, match=r"has no val split, only train"):
        find_labels(tmp_path, task)


def test_two_images_of_one_name(tmp_path):
    own_set(tmp_path, [0, 1], "a\nb")
    write_photo(tmp_path / "images/train/a.png")
    with pytest.raises(InputError, match=r"a\.jpg and a\.png have the same name"):
        find_masks(tmp_path)
