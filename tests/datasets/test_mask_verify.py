"""Each finding from the one damage that causes it; real masks pass; results are remembered."""

import json
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest
from dataset_helpers import shared_data, write_noise
from mask_sets import SIZE, flat, mask_set
from PIL import Image

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks import (
    MaskEncoding,
    Unpaired,
    find_masks,
    mask_checks,
    splits_of,
    verify_masks,
    write_mask_statistics,
)


def found(report) -> dict[str, tuple[str, int]]:
    """Kind of finding to level and number of records."""
    levels = {"error": report.findings.errors, "warning": report.findings.warnings}
    return {f.kind: (level, f.count) for level, group in levels.items() for f in group}


def verify(data, **kwargs):
    return verify_masks(splits_of(data), **kwargs)


def first_error(report) -> str:
    with pytest.raises(InputError) as caught:
        report.raise_errors("look there")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_real_street_scenes():
    data = find_masks(shared_data("camvid"))
    report = verify(replace(data, splits={"val": data.splits["val"]}))
    assert found(report) == {}
    summary = report.summaries["val"]
    pixels = np.stack([np.asarray(Image.open(mask)) for _, mask in data.splits["val"]])
    assert (summary.num_images, summary.image_sizes) == (101, {(480, 360): 101})
    assert summary.num_pixels == pixels.size
    assert summary.num_ignored == (pixels == 11).sum()
    for label in (0, 9):
        name = data.classes[label]
        assert summary.class_pixels[name] == (pixels == label).sum()
        assert summary.class_images[name] == (pixels == label).any((1, 2)).sum()
        share = 100 * (pixels == label).sum() / (pixels < 11).sum()
        assert summary.share(name) == pytest.approx(share)
    text = report.describe()
    assert "images  101, all 480x360" in text
    assert "pixels  17.5 million, 1.7 % without class" in text
    assert ["9", "Pedestrian", "0.66", "101"] in [line.split() for line in text.splitlines()]


def test_a_clean_set_has_no_finding(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2), flat(0, 1, 255)], [flat(1, 2)])
    report = verify(data)
    assert report.findings.errors == []
    assert found(report) == {"no_pixels": ("warning", 1)}
    train = report.summaries["train"]
    assert (train.num_ignored, train.num_pixels) == (13 * 30, 2 * 40 * 30)
    assert train.class_images == {"class 0": 2, "class 1": 2, "class 2": 1}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def damage_inside(path):
    write_noise(path, 7)
    content = bytearray(path.read_bytes())
    content[60:160] = bytes(100)
    path.write_bytes(content)


def write_jpeg(path):
    path.write_bytes(cv2.imencode(".jpg", flat(0, 1, 2))[1].tobytes())


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda p: p.write_bytes(b""), "bad_mask", "1.png"),
        (lambda p: p.write_bytes(b"<html>404</html>"), "bad_mask", "1.png"),
        (truncate, "bad_mask", "1.png"),
        (damage_inside, "bad_mask", "1.png"),
        (lambda p: write_noise(p, 7), "bad_mask", "1.png is a colour image"),
        (write_jpeg, "lossy_mask", "1.png is a JPEG"),
        (lambda p: cv2.imwrite(str(p), flat(0, 1, 7)), "mask_value", "1.png holds 7 (390 pixels)"),
        (lambda p: cv2.imwrite(str(p), flat(0, 1, 2)[:20]), "mask_size", "1.png is 40x20, its"),
    ],
)
def test_an_error_names_file_and_value(tmp_path, change, kind, words):
    data = mask_set(tmp_path, [flat(0, 1, 2), flat(0, 1, 2)])
    change(tmp_path / "trainannot" / "1.png")
    report = verify(data)
    assert found(report) == {kind: ("error", 1)}
    assert words in first_error(report)


def test_a_damaged_photo(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2), flat(0, 1, 2)])
    truncate(tmp_path / "train" / "1.jpg")
    assert found(verify(data)) == {"unreadable": ("error", 1)}
    splits = {s: replace(files, skips_bad_images=True) for s, files in splits_of(data).items()}
    assert found(verify_masks(splits)) == {"unreadable": ("warning", 1)}


def test_a_photo_that_its_exif_tag_turns_needs_a_turned_mask(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2)])
    path = tmp_path / "train" / "0.jpg"
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.open(path).save(path, exif=tag)
    assert "0.png is 40x30, its photo" in first_error(verify(data))
    cv2.imwrite(str(tmp_path / "trainannot" / "0.png"), flat(0, 1, 2).T)
    assert found(verify(data)) == {}


def test_files_without_the_other_half_are_warnings_up_to_a_half(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2)] * 3)
    lone = tuple(tmp_path / f"{name}.jpg" for name in "abcd")
    report = verify(replace(data, unpaired={"train": Unpaired(lone[:2], lone[:3])}))
    assert found(report) == {"no_mask": ("warning", 2), "no_image": ("warning", 3)}
    report = verify(replace(data, unpaired={"train": Unpaired(lone)}))
    assert found(report)["no_mask"] == ("error", 4)
    assert f"image {lone[0]} has no mask" in first_error(report)


def test_the_same_photo_in_train_and_val(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2)], [flat(0, 1, 2)])
    (tmp_path / "val/0.jpg").write_bytes((tmp_path / "train/0.jpg").read_bytes())
    assert found(verify(data)) == {"leak": ("error", 1)}


@pytest.mark.parametrize(("num_images", "level"), [(5, "error"), (4, None)])
def test_a_class_that_val_often_has_and_train_never(tmp_path, num_images, level):
    data = mask_set(tmp_path, [flat(0, 1)], [flat(0, 1, 2)] * num_images)
    kinds = found(verify(data))
    assert kinds["no_pixels"] == ("warning", 1)
    assert kinds.get("untrained") == (level and (level, 1))


def test_ignored_pixels(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2), flat(255), flat(255)], num_classes=3)
    assert found(verify(data)) == {"all_ignored": ("warning", 2), "mostly_ignored": ("warning", 1)}
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"trainannot/{index}.png"), flat(255))
    report = verify(data)
    assert found(report)["no_labels"] == ("error", 1)
    assert "none of the 3 masks" in first_error(report)


def test_zero_and_255_in_place_of_two_classes(tmp_path):
    data = mask_set(tmp_path, [flat(0, 255)] * 2, num_classes=2)
    assert "hold only 0 and 255" in first_error(verify(data))
    assert found(verify(replace(data, encoding=MaskEncoding((0, 255), ())))) == {}


FROM_ONE = MaskEncoding((1, 2, 3), (0, 255))


@pytest.mark.parametrize(
    ("zero_is_none", "encoding", "is_error"),
    [
        (True, MaskEncoding((0, 1, 2)), True),
        (True, FROM_ONE, False),
        (False, FROM_ONE, True),
        (False, MaskEncoding((0, 1, 2), (3, 255)), False),
    ],
)
def test_a_zero_label_against_the_published_one(tmp_path, zero_is_none, encoding, is_error):
    masks = [flat(0, 1, 2), flat(1, 2)]
    data = mask_set(tmp_path, masks, zero_is_none=zero_is_none, encoding=encoding)
    report = verify(data)
    assert ("zero_label" in found(report)) == is_error
    if is_error:
        given = encoding is FROM_ONE
        assert f"reduce_zero_label={given}" in first_error(report)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("ade20k_samples", False, "where 0 in the masks is no class, but reduce_zero_label=False"),
        ("camvid", True, "where 0 in the masks is a class, but reduce_zero_label=True"),
    ],
)
def test_a_zero_label_against_a_real_set(name, given, words):
    data = find_masks(shared_data(name), need=("val",), reduce_zero_label=given)
    data = replace(data, splits={"val": data.splits["val"][:3]})
    report = verify(data)
    assert found(report)["zero_label"] == ("error", 1)
    assert words in first_error(report)
    data = find_masks(shared_data(name), need=("val",), reduce_zero_label=not given)
    data = replace(data, splits={"val": data.splits["val"][:3]})
    assert verify(data).findings.errors == []


def test_a_zero_label_against_the_values(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2), flat(0, 1, 3)])
    report = verify(data)
    assert found(report)["mask_value"] == ("error", 1)
    assert first_error(report).startswith(f"the masks of {tmp_path} have values up to 3, one more")
    assert found(verify(replace(data, encoding=FROM_ONE))) == {}


def test_a_zero_label_that_may_be_wrong_is_a_warning(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2)], encoding=FROM_ONE)
    report = verify(data)
    assert found(report)["zero_label"] == ("warning", 1)
    assert "should 0 be 'class 0', set reduce_zero_label=False" in report.describe()


def test_colours(tmp_path):
    data = mask_set(tmp_path, [flat(0, 1, 2)] * 2)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    for index in range(2):
        drawn = colours[flat(0, 1, 2)]
        cv2.imwrite(str(tmp_path / f"trainannot/{index}.png"), drawn[..., ::-1])
    data = replace(data, encoding=MaskEncoding(tuple(map(tuple, colours.tolist())), ()))
    report = verify(data)
    assert found(report) == {}
    counts = report.summaries["train"].class_pixels
    assert counts == {"class 0": 2 * 14 * 30, "class 1": 2 * 13 * 30, "class 2": 2 * 13 * 30}
    wrong = replace(data, encoding=MaskEncoding(((255, 0, 0), (0, 255, 0), (9, 9, 9)), ()))
    assert found(verify(wrong))["mask_value"] == ("error", 2)


def test_of_a_large_set_a_part_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_checks, "MAX_COUNTED", 4)
    data = mask_set(tmp_path, [flat(0, 1)] * 9 + [flat(0, 2)], [flat(0, 2)] * 4 + [flat(0, 5)])
    report = verify(data)
    assert report.summaries["train"].num_counted == 4
    assert "untrained" not in found(report)  # 4 val images of which every second was decoded
    assert len(report.notes) == 2
    assert "train: 4 of 10 masks were decoded" in report.notes[0]
    truncate(tmp_path / "trainannot" / "1.png")
    assert found(verify(data))["bad_mask"] == ("error", 1)  # by its end
    report = verify(data, decode=True)
    assert report.summaries["train"].num_counted == 9
    assert report.notes == []
    assert found(report)["mask_value"] == ("error", 1)


def test_an_unchanged_set_is_not_checked_again(tmp_path, monkeypatch):
    data = mask_set(tmp_path, [flat(0, 1, 2)] * 2, [flat(0, 1, 5)])
    first = verify(data)
    seen = []
    examine = mask_checks.examine_mask
    monkeypatch.setattr(mask_checks, "examine_mask", lambda *job: seen.append(job) or examine(*job))
    second = verify(data)
    assert seen == []
    assert second.notes == ["files unchanged since they were checked"]
    assert second.summaries == first.summaries
    assert second.findings.as_list() == first.findings.as_list()
    os.utime(tmp_path / "valannot" / "0.png", ns=(1, 1))
    assert verify(data).notes == []
    assert len(seen) == 3
    verify(replace(data, encoding=FROM_ONE))
    assert len(seen) == 6


def test_statistics_are_numbers_and_a_plot(tmp_path):
    data = mask_set(tmp_path / "data", [flat(0, 1), flat(0, 255)], [flat(1, 2)])
    text = write_mask_statistics(splits_of(data), tmp_path / "out")
    assert text.startswith("train ")
    assert (tmp_path / "out/stats.png").read_bytes().startswith(b"\x89PNG")
    train = json.loads((tmp_path / "out/stats.json").read_text())["train"]
    assert train["ignored_percent"] == 25
    assert train["class_percent"] == pytest.approx(
        {"class 0": 200 / 3, "class 1": 100 / 3, "class 2": 0}
    )
    assert train["num_pixels"] == 2 * SIZE[0] * SIZE[1]
