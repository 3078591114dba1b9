import json
import random
import shutil
from collections import Counter

import pytest
from dataset_helpers import shared_data
from format_samples import write_image, write_voc, write_yolo

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import class_counts, divide_set, find_data
from mnv4_vision.datasets.formats.divide import stratify
from mnv4_vision.datasets.formats.layout import load_set


def unsplit_coco(root, num_images: int = 20, copies: tuple[int, ...] = ()):
    """`num_images` images of two classes, the rare one on every fifth; `copies` equal image 0."""
    images, annotations = [], []
    for index in range(num_images):
        name = f"{index}.png"
        write_image(root / "images" / name, (16, 16), seed=0 if index in copies else index)
        images.append({"id": index, "file_name": name, "width": 16, "height": 16})
        for category_id in (1, 2) if index % 5 == 0 else (1,):
            record = {"image_id": index, "category_id": category_id, "bbox": [1, 1, 9, 9]}
            annotations.append({"id": len(annotations), "area": 81, **record})
    categories = [{"id": 1, "name": "common"}, {"id": 2, "name": "rare"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def names_of(root) -> dict[str, set[str]]:
    splits = load_set(root).splits
    return {s: {i["file_name"] for i in d.content["images"]} for s, d in splits.items()}


def test_every_class_gets_its_share(tmp_path):
    divide_set(unsplit_coco(tmp_path / "source"), tmp_path / "out", val=0.2, test=0.2)
    counts = class_counts(load_set(tmp_path / "out"))
    assert counts == {
        "train": (12, {"common": 12, "rare": 2}),
        "val": (4, {"common": 4, "rare": 1}),
        "test": (4, {"common": 4, "rare": 1}),
    }


def test_seed_decides(tmp_path):
    source = unsplit_coco(tmp_path / "source")
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        divide_set(source, tmp_path / out, seed=seed)
    first, again, other = (names_of(tmp_path / out) for out in "abc")
    assert first == again != other
    assert first["train"] | first["val"] == {f"{i}.png" for i in range(20)}
    assert not first["train"] & first["val"]


def test_equal_images_stay_together(tmp_path):
    copies = (0, 3, 7, 11)
    source = unsplit_coco(tmp_path / "source", copies=copies)
    for seed in range(4):
        divide_set(source, tmp_path / str(seed), val=0.3, seed=seed)
        names = names_of(tmp_path / str(seed))
        sides = {split for split, found in names.items() for i in copies if f"{i}.png" in found}
        assert len(sides) == 1
        assert len(names["val"]) == 6


def test_shares_of_skewed_labels():
    """200 samples, 8 labels of which the k-th is on about 1 / 2^k of them."""
    rng = random.Random(3)
    labels = [{k for k in range(8) if rng.random() < 0.5**k} for _ in range(200)]
    totals = Counter(name for names in labels for name in names)
    parts = stratify(labels, [1] * 200, [0.75, 0.25], seed=0)
    assert Counter(parts) == {0: 150, 1: 50}
    chosen = Counter(
        name for names, part in zip(labels, parts, strict=True) if part for name in names
    )
    for name, total in totals.items():
        assert abs(chosen[name] - total / 4) <= 1


def test_blood_cells(tmp_path):
    source = shared_data("bccd")
    (tmp_path / "source").mkdir()
    shutil.copy(source / "train.json", tmp_path / "source")
    (tmp_path / "source" / "images").symlink_to(source / "images")
    divide_set(tmp_path / "source", tmp_path / "out", val=0.2, images="symlink")
    counts = class_counts(load_set(tmp_path / "out"))
    assert (counts["train"][0], counts["val"][0]) == (163, 42)
    assert counts["train"][1] + counts["val"][1] == {"WBC": 214, "RBC": 2381, "Platelets": 209}
    assert find_data(tmp_path / "out").classes == ("WBC", "RBC", "Platelets")


def test_voc_without_image_sets(tmp_path):
    source = write_voc(tmp_path / "source")
    shutil.rmtree(source / "ImageSets")
    divide_set(source, tmp_path / "out", val=0.5)
    layout = find_data(tmp_path / "out")
    assert (layout.format, layout.classes) == ("voc", ("dog", "cat"))
    names = names_of(tmp_path / "out")
    assert sorted(map(sorted, names.values())) == [["a.jpg"], ["b.jpg"]]


@pytest.mark.parametrize(
    "text",
    [
        "train: [images/train, images/val]\nnames: [dog, cat]",
        "train: images\nval: images\nnames: [dog, cat]",
        None,
    ],
)
def test_yolo_without_val(tmp_path, text):
    source = write_yolo(tmp_path / "source")
    (source / "data.yaml").unlink()
    if text is None:
        (source / "labels" / "classes.txt").write_text("dog\ncat\n")
    else:
        (source / "data.yaml").write_text(text)
    divide_set(source, tmp_path / "out", val=0.5)
    layout = find_data(tmp_path / "out")
    assert (layout.format, layout.classes) == ("yolo", ("dog", "cat"))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"val": 0}, "shares of val 0 and test 0.0: val must be above 0"),
        ({"val": 0.6, "test": 0.4}, "both together below 1"),
        ({"val": float("nan")}, "shares of val nan"),
        ({"val": 0.01}, "20 different images, too few for a val split of 1%"),
    ],
)
def test_bad_shares(tmp_path, shares, message):
    with pytest.raises(InputError, match=message):
        divide_set(unsplit_coco(tmp_path / "source"), tmp_path / "out", **shares)
    assert not (tmp_path / "out").exists()


def test_divided_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="is divided already"):
        divide_set(write_yolo(tmp_path / "source"), tmp_path / "out")


def test_missing_image(tmp_path):
    source = unsplit_coco(tmp_path / "source")
    (source / "images" / "4.png").unlink()
    with pytest.raises(InputError, match=r"4\.png does not exist"):
        divide_set(source, tmp_path / "out")
