import json
import os
from collections import Counter

import pytest
from dataset_helpers import shared_data, tiny_coco, write_tiny_coco
from format_samples import write_image, write_voc, write_yolo

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import class_counts, convert_set, find_data, make_demo
from mnv4_vision.datasets.formats.layout import load_set
from mnv4_vision.datasets.formats.splits import LoadedSet, Split
from mnv4_vision.datasets.formats.writers import FORMATS


def canonical(root) -> tuple:
    """Classes in order; by split and file name the image's size and its boxes, exactly."""
    loaded = load_set(root)
    splits = {}
    for split, data in loaded.splits.items():
        names = {category["id"]: category["name"] for category in data.content["categories"]}
        images = {i["id"]: i for i in data.content["images"]}
        found = {i["file_name"]: (i["width"], i["height"], []) for i in images.values()}
        for a in data.content["annotations"]:
            if not a.get("iscrowd"):
                box = names[a["category_id"]], *a["bbox"], a.get("difficult", 0)
                found[images[a["image_id"]]["file_name"]][2].append(box)
        splits[split] = found
    return loaded.classes, splits


def convert_along(source, formats: tuple[str, ...], folder):
    """Convert from format to format; return the last folder."""
    for number, fmt in enumerate(formats):
        target = folder / f"{number}_{fmt}"
        convert_set(source, fmt, target, images="symlink")
        source = target
    return source


def two_splits(root, content: dict):
    annotations, _ = write_tiny_coco(root, content)
    (root / "val.json").write_text(annotations.read_text())
    return root


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("bccd", {}),
        (
            "coco_ccby",
            {
                "outlines reduced to their box": 808,
                "areas other than that of the box": 808,
                "crowd regions left out": 11,
            },
        ),
    ],
)
def test_real_data_stays_equal_through_all_formats(tmp_path, name, lost):
    source = shared_data(name)
    expected = canonical(source)
    for step, fmt in enumerate(("voc", "yolo", "voc", "coco", "yolo", "coco")):
        target = tmp_path / f"{step}_{fmt}"
        _, losses = convert_set(source, fmt, target, images="symlink")
        assert canonical(target) == expected
        assert losses == (lost if step == 0 else {})
        source = target


def test_blood_cells_from_each_format_are_the_same_set(tmp_path):
    source = shared_data("bccd")
    expected = class_counts(load_set(source))
    assert expected["train"] == (205, {"WBC": 214, "RBC": 2381, "Platelets": 209})
    for fmt in FORMATS:
        convert_set(source, fmt, tmp_path / fmt, images="symlink")
        layout = find_data(tmp_path / fmt)
        assert (layout.format, layout.classes) == (fmt, ("WBC", "RBC", "Platelets"))
        files = {"train": layout.train_ann, "val": layout.val_ann}
        contents = {s: Split(tmp_path, json.loads(path.read_text())) for s, path in files.items()}
        assert class_counts(LoadedSet(fmt, "", layout.classes, contents)) == expected


@pytest.mark.parametrize("formats", [("yolo", "voc"), ("coco", "voc")])
def test_voc_comes_back_equal(tmp_path, formats):
    source = write_voc(tmp_path / "source")
    last = convert_along(source, formats, tmp_path)
    assert canonical(last) == canonical(source)
    assert (last / "classes.txt").read_text() == "dog\ncat\n"


def test_flags_survive_coco_and_are_counted_by_yolo(tmp_path):
    source = write_voc(tmp_path / "source")
    xml = source / "Annotations" / "a.xml"
    xml.write_text(xml.read_text().replace("<bndbox>", "<difficult>1</difficult><bndbox>"))
    last = convert_along(source, ("coco", "voc"), tmp_path)
    assert canonical(last) == canonical(source)
    assert "<difficult>1</difficult>" in (last / "Annotations" / "a.xml").read_text()
    assert convert_set(source, "yolo", tmp_path / "yolo")[1] == {"flags difficult": 2}


def test_fractions_are_kept_to_the_last_digit(tmp_path):
    content = tiny_coco()
    content["annotations"][0].update(bbox=[0.1, 2.34, 17.77, 9.999999999], area=177.7)
    source = two_splits(tmp_path / "source", content)
    last = convert_along(source, ("yolo", "voc", "coco"), tmp_path)
    assert canonical(last) == canonical(source)


def test_coco_keeps_everything(tmp_path):
    content = tiny_coco()
    content["annotations"][0]["segmentation"] = [[1, 2, 3, 4, 5, 6]]
    content["annotations"][1]["iscrowd"] = 1
    content["licenses"] = [{"id": 3}]
    convert_set(two_splits(tmp_path / "source", content), "coco", tmp_path / "out")
    written = (tmp_path / "out" / "annotations" / "instances_val.json").read_text()
    assert json.loads(written) == content


def test_converted_coco_has_no_sources_of_the_old_files(tmp_path):
    convert_set(write_voc(tmp_path / "source"), "coco", tmp_path / "out")
    assert "source" not in (tmp_path / "out" / "annotations" / "instances_train.json").read_text()


def test_equal_names_in_two_splits(tmp_path):
    source = make_demo(tmp_path / "demo", train=3, val=2, image_size=64)
    for split in ("train", "val"):
        path = source / "annotations" / f"instances_{split}.json"
        path.write_text(path.read_text().replace(f"{split}_00000", "00000"))
        for image in (source / split).iterdir():
            image.rename(image.with_name(image.name.removeprefix(f"{split}_")))
    for fmt in ("voc", "yolo"):
        convert_set(source, fmt, tmp_path / fmt)
        assert canonical(tmp_path / fmt) == canonical(source)
    assert (tmp_path / "voc" / "val" / "000002.xml").is_file()


def test_images_in_subfolders_named_images(tmp_path):
    content = tiny_coco()
    content["images"][0]["file_name"] = "images/deep/a.jpg"
    source = two_splits(tmp_path / "source", content)
    (source / "images" / "images" / "deep").mkdir(parents=True)
    (source / "images" / "a.jpg").rename(source / "images" / "images" / "deep" / "a.jpg")
    for formats in (("yolo", "coco"), ("voc", "coco")):
        last = convert_along(source, formats, tmp_path / formats[0])
        assert canonical(last) == canonical(source)


@pytest.mark.parametrize(
    ("bbox", "fmt", "expected"),
    [
        ([-5, 2, 20, 10], "voc", [0, 2, 15, 10]),
        ([-5, 2, 20, 10], "yolo", [-5, 2, 20, 10]),
        ([-9, 2, 60, 10], "yolo", [0, 2, 40, 10]),
        ([39, 2, 60, 10], "yolo", [39, 2, 1, 10]),
        ([60, 2, 9, 9], "yolo", None),
        ([-9, 2, 3, 9], "voc", None),
    ],
)
def test_boxes_beyond_the_image(tmp_path, bbox, fmt, expected):
    content = tiny_coco()
    content["annotations"][0]["bbox"] = bbox
    _, losses = convert_set(two_splits(tmp_path / "source", content), fmt, tmp_path / "out")
    boxes = [list(box[1:5]) for box in canonical(tmp_path / "out")[1]["train"]["a.jpg"][2]]
    assert boxes == ([] if expected is None else [expected])
    clips = Counter({what: n for what, n in losses.items() if what.startswith("boxes")})
    assert clips.total() == (0 if expected == bbox else 2)  # in train and in val


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_image_modes(tmp_path, mode):
    source = write_yolo(tmp_path / "source") / "images" / "train" / "a.jpg"
    convert_set(tmp_path / "source", "voc", tmp_path / "out", images=mode)
    target = tmp_path / "out" / "JPEGImages" / "a.jpg"
    assert target.read_bytes() == source.read_bytes()
    assert target.is_symlink() == (mode == "symlink")
    assert os.path.samefile(source, target) == (mode != "copy")


def test_folder_with_content_is_left_alone(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"out is not empty; give a new folder"):
        convert_set(write_voc(tmp_path / "source"), "yolo", out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_nothing_half_written_stays(tmp_path):
    source = two_splits(tmp_path / "source", tiny_coco())
    (source / "images" / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"b\.jpg does not exist"):
        convert_set(source, "yolo", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("images", 0, "file_name"), "../../a.jpg", "must stay below the image folder"),
        (("images", 0, "file_name"), "/etc/a.jpg", "must stay below the image folder"),
        (("images", 1, "file_name"), "a.jpg", "'a.jpg' and 'a.jpg' would share one yolo file"),
        (("images", 1, "file_name"), "a.png", "'a.jpg' and 'a.png' would share one yolo file"),
        (("images", 1, "file_name"), "b.gif", "yolo cannot hold the image 'b.gif'"),
        (("categories", 1, "name"), "two\nlines", r"yolo cannot hold the class 'two\\nlines'"),
        (("annotations", 0, "image_id"), 9, r"1 .*image.*: .*annotations\[0\] \(id 1\)"),
        (("annotations", 0, "bbox"), [1, 2], "it must be four numbers"),
    ],
)
def test_what_cannot_be_converted(tmp_path, path, value, message):
    content = tiny_coco()
    section, index, key = path
    content[section][index][key] = value
    with pytest.raises(InputError, match=message):
        convert_set(two_splits(tmp_path / "source", content), "yolo", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_test_split_comes_along(tmp_path):
    source = write_voc(tmp_path / "source")
    write_image(source / "JPEGImages" / "c.jpg", (9, 9))
    xml = (
        (source / "Annotations" / "b.xml").read_text().replace(">20<", ">9<").replace(">50<", ">9<")
    )
    (source / "Annotations" / "c.xml").write_text(xml)
    (source / "ImageSets" / "Main" / "test.txt").write_text("c\n")
    convert_set(source, "yolo", tmp_path / "out")
    assert list(load_set(tmp_path / "out").splits) == ["train", "val", "test"]
    assert find_data(tmp_path / "out").classes == ("dog", "cat")
