"""Each finding from the one damage that causes it; real sets pass; results are remembered."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from dataset_helpers import set_path, shared_data, tiny_coco, write_noise, write_tiny_coco

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import (
    SplitPaths,
    find_data,
    make_demo,
    paths_of,
    verify_data,
)
from mnv4_vision.datasets.verification import verify


def found(report) -> dict[str, tuple[str, int]]:
    """Kind of finding to level and number of records."""
    findings = report.findings
    levels = {"error": findings.errors, "warning": findings.warnings}
    return {f.kind: (level, f.count) for level, group in levels.items() for f in group}


def verify_tiny(root, content=None, **kwargs):
    return verify_data({"train": SplitPaths(*write_tiny_coco(root, content))}, **kwargs)


def two_splits(root):
    """Tiny sets of different pictures as train and val."""
    train = write_tiny_coco(root / "train")
    val = write_tiny_coco(root / "val")
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        write_noise(val[1] / name, 10 + seed)
    return {"train": SplitPaths(*train), "val": SplitPaths(*val)}


def test_real_blood_cells():
    report = verify_data(paths_of(find_data(shared_data("bccd"))))
    assert found(report) == {}
    summary = report.summaries["val"]
    assert (summary.num_images, summary.num_empty) == (87, 0)
    assert summary.class_counts == {"WBC": 87, "RBC": 967, "Platelets": 83}
    assert summary.class_images == {"WBC": 86, "RBC": 83, "Platelets": 45}
    assert summary.image_sizes == {(640, 480): 87}
    assert summary.num_boxes == summary.size_classes.total() == 1137
    report.raise_errors("")


def test_real_coco_photos():
    report = verify_data(paths_of(find_data(shared_data("coco_ccby"))))
    assert report.findings.errors == []
    assert {(f.kind, f.split, f.count) for f in report.findings.warnings} == {
        ("empty_image", "train", 1),
        ("no_examples", "train", 21),
        ("empty_image", "val", 2),
        ("no_examples", "val", 25),
    }
    summary = report.summaries["val"]
    assert (summary.num_images, summary.num_crowd, summary.num_boxes) == (45, 6, 399)
    assert summary.size_classes == {"small": 181, "medium": 127, "large": 91}


def test_demo_is_clean(tmp_path):
    layout = find_data(make_demo(tmp_path / "demo", train=10, val=2, image_size=64))
    kinds = found(verify_data(paths_of(layout)))
    assert kinds.keys() <= {"no_examples"}  # of so few scenes


@pytest.mark.parametrize(
    ("path", "value", "kind", "words"),
    [
        ("images.1.id", 1, "duplicate_id", "images[1] (id 1) has the id of another one"),
        ("images.1.file_name", "./a.jpg", "listed_twice", "images[1] (id 2) lists ./a.jpg"),
        ("images.1.width", 41, "wrong_size", "b.jpg is 40x30, but its annotations say 41x30"),
        ("images.1.file_name", "c.jpg", "missing", "c.jpg"),
        ("images.1.file_name", "b.JPG", "missing", "does not exist; b.jpg does"),
        ("images.1.file_name", "x\\b.jpg", "missing", "write / for \\ in its file_name"),
        ("annotations.1.id", 1, "duplicate_id", "annotations[1] (id 1) has the id of another"),
        ("annotations.1.image_id", 9, "unknown_image", "annotations[1] (id 2) has the image_id 9"),
        ("annotations.1.category_id", 2, "unknown_category", "(id 2) has the category_id 2"),
        ("annotations.1.bbox", [3, 3, 0, 9], "no_area", "has the bbox [3, 3, 0, 9] on b.jpg"),
        ("annotations.1.bbox", [9, 9, -6, -6], "no_area", "has the bbox [9, 9, -6, -6] on b.jpg"),
        ("annotations.1.area", 0, "no_area", "has the bbox [3, 3, 9, 9] and the area 0 on b.jpg"),
        ("annotations.1.bbox", [3, 3, 0.5, 9], "thin", "[3, 3, 0.5, 9] on b.jpg of 40x30"),
        ("annotations.1.bbox", [50, 3, 9, 9], "outside", "[50, 3, 9, 9] on b.jpg of 40x30"),
        ("annotations.1.bbox", [-9, 3, 9, 9], "outside", "[-9, 3, 9, 9] on b.jpg of 40x30"),
    ],
)
def test_an_error_names_file_and_record(tmp_path, path, value, kind, words):
    report = verify_tiny(tmp_path, set_path(tiny_coco(), path, value))
    assert found(report)[kind] == ("error", 1)
    (error,) = [error for error in report.findings.errors if error.kind == kind]
    assert words in error.examples[0]
    with pytest.raises(InputError) as caught:
        report.raise_errors("look there")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("num_boxes", "level"), [(1000, "warning"), (999, "error")])
def test_one_bad_box_in_a_thousand_is_let_through(tmp_path, num_boxes, level):
    content = tiny_coco()
    box = content["annotations"][0]
    content["annotations"] = [dict(box, id=i) for i in range(num_boxes)]
    content["annotations"][7]["bbox"] = [1, 2, 0, 10]
    report = verify_tiny(tmp_path, content)
    assert found(report)["no_area"] == (level, 1)
    assert report.summaries["train"].num_boxes == num_boxes - 1


def test_boxes_over_the_border_are_a_warning_from_a_pixel_on(tmp_path):
    content = tiny_coco()
    content["annotations"][0]["bbox"] = [-1, -1, 20, 10]
    assert "over_border" not in found(verify_tiny(tmp_path / "a", content))
    content["annotations"][0]["bbox"] = [25, 2, 17, 10]
    report = verify_tiny(tmp_path / "b", content)
    assert found(report) == {"over_border": ("warning", 1)}
    assert report.summaries["train"].num_boxes == 2


def test_corners_in_place_of_sizes(tmp_path):
    content = tiny_coco()
    content["annotations"][0]["bbox"] = [10, 5, 38, 25]
    content["annotations"][1]["bbox"] = [1, 2, 9, 9]
    report = verify_tiny(tmp_path, content)
    assert found(report)["corners"] == ("error", 1)
    assert "COCO's boxes are x, y, width, height" in report.describe()


def test_fractions_in_place_of_pixels(tmp_path):
    content = tiny_coco()
    for annotation in content["annotations"]:
        annotation["bbox"] = [0.2, 0.3, 0.5, 0.5]
    assert found(verify_tiny(tmp_path, content))["fractions"] == ("error", 1)


def test_no_usable_box_at_all(tmp_path):
    content = tiny_coco()
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][1]["ignore"] = 1
    report = verify_tiny(tmp_path, content)
    assert found(report) == {"no_boxes": ("error", 1)}
    with pytest.raises(InputError, match=r"has a usable box \(1 crowd regions, 1 ignored\)"):
        report.raise_errors("")


def test_classes_without_examples_and_empty_images_are_warnings(tmp_path):
    content = tiny_coco()
    del content["annotations"][1]
    report = verify_tiny(tmp_path, content)
    assert found(report) == {"no_examples": ("warning", 1), "empty_image": ("warning", 1)}
    assert "classes without a box: 1 of 2 (dog)" in report.describe()


@pytest.mark.parametrize(("num_images", "is_error"), [(5, True), (4, False)])
def test_a_class_that_val_often_has_and_train_never(tmp_path, num_images, is_error):
    train, _ = write_tiny_coco(
        tmp_path / "train", set_path(tiny_coco(), "annotations.1.category_id", 1)
    )
    content = tiny_coco()
    content["images"] = [dict(content["images"][0], id=i, file_name=f"{i}.jpg") for i in range(5)]
    box = content["annotations"][1]
    content["annotations"] = [dict(box, id=i, image_id=i) for i in range(num_images)]
    val, images = write_tiny_coco(tmp_path / "val", content)
    for seed in range(5):
        write_noise(images / f"{seed}.jpg", 20 + seed)
    splits = {
        "train": SplitPaths(train, tmp_path / "train" / "images"),
        "val": SplitPaths(val, images),
    }
    assert ("never_trained" in found(verify_data(splits))) == is_error


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("decode", [False, True])
def test_truncated_images(tmp_path, suffix, decode):
    """By their end alone, and when all are decoded; bytes after the end are no damage."""
    content = tiny_coco()
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("jpg", suffix)
    annotations, images = write_tiny_coco(tmp_path, content)
    for seed, name in enumerate("ab"):
        write_noise(images / f"{name}.{suffix}", seed)
    whole = (images / f"b.{suffix}").read_bytes()
    (images / f"a.{suffix}").write_bytes((images / f"a.{suffix}").read_bytes() + b"camera notes")
    splits = {"train": SplitPaths(annotations, images)}
    assert found(verify_data(splits, decode=decode)) == {}
    (images / f"b.{suffix}").write_bytes(whole[:-10])
    report = verify_data(splits, decode=decode)
    assert found(report) == {"unreadable": ("error", 1)}
    words = {"jpg": "is truncated", "png": "cannot be decoded"}[suffix]
    assert f"b.{suffix} {words}" in report.findings.errors[0].examples[0]


def test_damage_inside_is_found_by_decoding(tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    content = tiny_coco()
    content["images"][1]["file_name"] = "b.png"
    annotations.write_text(json.dumps(content))
    write_noise(images / "b.png", 1)
    data = bytearray((images / "b.png").read_bytes())
    data[60:160] = bytes(100)
    (images / "b.png").write_bytes(data)
    splits = {"train": SplitPaths(annotations, images)}
    assert found(verify_data(splits, decode=False)) == {}
    assert found(verify_data(splits)) == {"unreadable": ("error", 1)}


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_what_is_no_image(tmp_path, content):
    annotations, images = write_tiny_coco(tmp_path)
    (images / "b.jpg").write_bytes(content)
    assert found(verify_data({"train": SplitPaths(annotations, images)}, decode=False)) == {
        "unreadable": ("error", 1)
    }


def test_unreadable_images_of_a_loader_that_skips_them(tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    (images / "b.jpg").unlink()
    splits = {"train": SplitPaths(annotations, images, skips_bad_images=True)}
    assert found(verify_data(splits)) == {"missing": ("warning", 1)}
    (images / "a.jpg").unlink()
    assert found(verify_data(splits)) == {"missing": ("error", 2)}


def test_images_in_subfolders(tmp_path):
    content = set_path(tiny_coco(), "images.0.file_name", "sub/a.jpg")
    annotations, images = write_tiny_coco(tmp_path, content)
    (images / "sub").mkdir()
    (images / "a.jpg").rename(images / "sub" / "a.jpg")
    assert found(verify_data({"train": SplitPaths(annotations, images)})) == {}


def test_the_same_picture_in_train_and_val(tmp_path):
    splits = two_splits(tmp_path)
    assert found(verify_data(splits)) == {}
    train, val = (splits[split].image_dir for split in ("train", "val"))
    (val / "b.jpg").write_bytes((train / "a.jpg").read_bytes())
    report = verify_data(splits)
    assert found(report) == {"leak": ("error", 1)}
    with pytest.raises(InputError) as caught:
        report.raise_errors("")
    assert str(val / "b.jpg") in str(caught.value)
    assert str(train / "a.jpg") in str(caught.value)


def test_the_same_picture_twice_in_a_split(tmp_path):
    splits = two_splits(tmp_path)
    images = splits["train"].image_dir
    (images / "b.jpg").write_bytes((images / "a.jpg").read_bytes())
    assert found(verify_data(splits)) == {"duplicate": ("warning", 1)}


def test_equal_ends_are_not_equal_pictures(tmp_path):
    splits = two_splits(tmp_path)
    for seed, name in enumerate(("a.bmp", "b.bmp")):  # stored bottom up: the end is the first row
        write_noise(splits["train"].image_dir / name, seed, (40, 60))
    first, second = (splits["train"].image_dir / name for name in ("a.bmp", "b.bmp"))
    second.write_bytes(second.read_bytes()[:-4096] + first.read_bytes()[-4096:])
    content = tiny_coco()
    for image, name in zip(content["images"], ("a.bmp", "b.bmp"), strict=True):
        image.update(file_name=name, height=60)
    splits["train"].ann_file.write_text(json.dumps(content))
    assert found(verify_data(splits)) == {}
    second.write_bytes(first.read_bytes())
    assert found(verify_data(splits)) == {"duplicate": ("warning", 1)}


def test_all_errors_are_told_and_the_first_one_stops(tmp_path):
    content = tiny_coco()
    content["annotations"] += [
        dict(content["annotations"][0], id=3 + i, bbox=[50, 3, 9, 9]) for i in range(5)
    ]
    content["annotations"].append(dict(content["annotations"][0], id=20, image_id=9))
    report = verify_tiny(tmp_path, content)
    lines = report.describe(2).splitlines()
    start = lines.index(
        "error    train: boxes outside their image: 5 of 8; delete them or draw them again"
    )
    assert "annotations[2] (id 3) has the bbox [50, 3, 9, 9]" in lines[start + 1]
    assert lines[start + 3] == "  and 3 more"
    with pytest.raises(InputError, match=r"\(id 3\).*\(5 more errors: look there\)$"):
        report.raise_errors("look there")


def checked_files(monkeypatch) -> list[str]:
    """Splits whose files are really looked at from now on."""
    seen = []
    original = verify.check_images
    monkeypatch.setattr(
        verify,
        "check_images",
        lambda split, *args, **kw: seen.append(split) or original(split, *args, **kw),
    )
    return seen


def test_an_unchanged_set_is_not_checked_again(tmp_path, monkeypatch):
    splits = two_splits(tmp_path)
    (splits["val"].image_dir / "b.jpg").unlink()
    first = verify_data(splits)
    seen = checked_files(monkeypatch)
    second = verify_data(splits)
    assert seen == []
    assert second.notes == ["files unchanged since they were checked"]
    assert second.summaries == first.summaries
    assert second.findings.as_list() == first.findings.as_list()
    assert verify_data(splits, decode=True).notes == []


def test_ranks_that_start_together_check_once_and_agree(tmp_path, monkeypatch):
    splits = two_splits(tmp_path)
    (splits["val"].image_dir / "b.jpg").unlink()
    seen = checked_files(monkeypatch)
    with ThreadPoolExecutor(4) as ranks:
        reports = list(ranks.map(lambda _: verify_data(splits), range(4)))
    assert seen == ["train", "val"]
    assert all(found(report) == {"missing": ("error", 1)} for report in reports)


@pytest.mark.parametrize("change", ["annotation", "size", "time", "new file", "skips"])
def test_any_change_is_checked(tmp_path, monkeypatch, change):
    splits = two_splits(tmp_path)
    verify_data(splits)
    seen = checked_files(monkeypatch)
    image = splits["val"].image_dir / "a.jpg"
    if change == "annotation":
        splits["val"].ann_file.write_text(json.dumps(tiny_coco(), indent=1))
    elif change == "size":
        image.write_bytes(image.read_bytes()[:-10])
    elif change == "time":
        os.utime(image, ns=(1, 1))
    elif change == "new file":
        image.with_name("c.jpg").write_bytes(b"")
    else:
        splits["val"] = SplitPaths(splits["val"].ann_file, splits["val"].image_dir, True)
    report = verify_data(splits)
    assert seen == ["train", "val"]
    assert bool(report.findings.errors) == (change == "size")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"state": 1, "folders": []}'])
def test_a_damaged_cache_is_no_obstacle(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("MNV4_VISION_CACHE", str(tmp_path / "cache"))
    splits = two_splits(tmp_path)
    verify_data(splits)
    (file,) = (tmp_path / "cache").rglob("*.json")
    file.write_bytes(damage)
    report = verify_data(splits)
    assert found(report) == {}
    assert not report.notes or "is damaged" in report.notes[0]
    assert verify_data(splits).notes == ["files unchanged since they were checked"]


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MNV4_VISION_CACHE", str(tmp_path / "file" / "cache"))
    report = verify_data(two_splits(tmp_path))
    assert found(report) == {}
    assert "cannot be kept" in report.notes[0]
    assert "set MNV4_VISION_CACHE" in report.notes[0]


def test_printed_table(tmp_path):
    text = verify_data(two_splits(tmp_path)).describe()
    assert "images  2, all 40x30" in text
    assert "boxes   2 (2 small, 0 medium, 0 large)" in text
    assert "category id -> label: 1 -> 0, 5 -> 1" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["0", "cat", "1", "1", "1", "1"] in rows
    assert ["1", "dog", "1", "1", "1", "1"] in rows
