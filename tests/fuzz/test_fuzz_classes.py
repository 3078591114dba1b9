"""Broken image folders: read as the labels that they are, or refused by the name of the file."""

import gc
import os
import shutil
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzz_mutators import BYTES, ENCODINGS, LINES, cases, claim_png_size
from fuzz_oracle import survive
from PIL import Image

from mnv4_vision.cls import EvalCrop, ImageDataset, InceptionCrop, PackImage
from mnv4_vision.datasets import LoadImage
from mnv4_vision.datasets.image_folders import (
    find_images,
    image_class_table,
    image_splits_of,
    verify_images,
)

NAMES = ("ant", "bee", "cat")
NUM_IMAGES = 2  # of each class and split
HEIGHT, WIDTH = 48, 64
CROPS = {"train": InceptionCrop, "val": EvalCrop}


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT))


def folders(root: Path) -> Path:
    for number, (split, name) in enumerate((s, n) for s in CROPS for n in NAMES):
        (root / split / name).mkdir(parents=True)
        for index in range(NUM_IMAGES):
            path = root / split / name / f"{name}_{index}.jpg"
            cv2.imwrite(str(path), picture(10 * number + index))
    return root


def listed(root: Path) -> Path:
    """The same images with a list of their classes."""
    folders(root)
    files = sorted(path.relative_to(root) for path in root.rglob("*.jpg"))
    rows = [f"{path.as_posix()},{path.parent.name}" for path in files]
    (root / "labels.csv").write_text("\n".join(["file_name,label", *rows, ""]))
    return root


MAKERS = {"folders": folders, "listed": listed}


def use_images(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Do what a training does with `--data-root`; return file and class of all samples."""
    data = find_images(root)
    assert data.describe(root)
    report = verify_images(image_splits_of(data))
    assert report.describe()
    assert image_class_table(report.summaries)
    report.raise_errors("look")
    found = {}
    for split, crop in CROPS.items():
        steps = [dict(type=LoadImage), dict(type=crop, scale=(32, 32)), dict(type=PackImage)]
        dataset = ImageDataset(root, split, steps, test_mode=split == "val")
        samples = [dataset[index] for index in range(len(dataset))]
        assert all(sample["inputs"].shape == (3, 32, 32) for sample in samples)
        names = dataset.metainfo["classes"]
        found[split] = [
            (Path(s["data_samples"].img_path).name, names[int(s["data_samples"].gt_label)])
            for s in samples
        ]
    return found


@pytest.fixture(scope="module", autouse=True)
def quick_collection():
    """mmengine collects all garbage for each data set: 0.15 s with what is imported here."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("healthy")
    return {name: make(folder / name) for name, make in MAKERS.items()}


@pytest.fixture
def root(healthy, tmp_path):
    return copy(healthy["folders"], tmp_path)


def copy(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "set"))


def try_out(root: Path, *names: str) -> tuple[str | None, dict]:
    """Use the set; return the line of the refusal and the samples, of which one is None."""
    found = {}
    message = survive(lambda: found.update(use_images(root)), root, *names)
    return message, found


@pytest.mark.parametrize("layout", MAKERS)
def test_healthy_sets_are_accepted(healthy, layout):
    message, found = try_out(healthy[layout])
    assert message is None
    for samples in found.values():
        assert [label for _, label in samples] == sorted(NAMES * NUM_IMAGES)
        assert all(file.startswith(f"{label}_") for file, label in samples)


def encode(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def save(image: Image.Image, kind: str) -> bytes:
    file = BytesIO()
    image.save(file, kind)
    return file.getvalue()


PHOTO = Image.fromarray(picture(99))
NOISE = np.random.default_rng(0).integers(0, 65535, (HEIGHT, WIDTH, 3), dtype=np.uint16)
# Images of another kind than three times eight bits: read like any other.
ODD = {
    "bits_16.png": lambda: encode(NOISE),
    "bits_16_grey.png": lambda: encode(NOISE[..., 0]),
    "cmyk.jpg": lambda: save(PHOTO.convert("CMYK"), "JPEG"),
    "grey.jpg": lambda: save(PHOTO.convert("L"), "JPEG"),
    "grey_alpha.png": lambda: save(PHOTO.convert("LA"), "PNG"),
    "alpha.png": lambda: save(PHOTO.convert("RGBA"), "PNG"),
    "palette.png": lambda: save(PHOTO.convert("P"), "PNG"),
    "bilevel.png": lambda: save(PHOTO.convert("1"), "PNG"),
    "png_called.jpg": lambda: encode(picture(98)),
    "LOUD.JPG": lambda: encode(picture(98), ".jpg"),
    "narrow.png": lambda: encode(np.zeros((1, 900, 3), np.uint8)),
}
WRONG = {
    "empty.jpg": lambda: b"",
    "cut.jpg": lambda: encode(picture(0), ".jpg")[:-40],
    "cut.png": lambda: encode(picture(0))[:-40],
    "signature.png": lambda: b"\x89PNG\r\n\x1a\n",
    "start.jpg": lambda: b"\xff\xd8\xff\xd9",
    "pointer.jpg": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "page.jpg": lambda: b"<html>please log in</html>",
    "thumbs.bmp": lambda: bytes(3000),
} | {
    f"claims_{w}x{h}.png": partial(claim_png_size, encode(picture(0)), w, h)
    for w, h in ((0, 0), (65500, 65500), (2**31 - 1, 2**31 - 1))
}


@pytest.mark.parametrize("name", ODD)
def test_images_of_every_kind(root, name):
    (root / "train" / "bee" / name).write_bytes(ODD[name]())
    message, found = try_out(root)
    assert message is None
    assert (name, "bee") in found["train"]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_image_is_refused(root, name):
    (root / "val" / "cat" / name).write_bytes(WRONG[name]())
    assert try_out(root, name)[0] is not None


@pytest.mark.parametrize("case", cases("class-image", BYTES, 3), ids=lambda case: case.name)
def test_damaged_images_keep_their_class(root, case):
    rng = case.rng()
    path = rng.choice(sorted(root.rglob("*.jpg")))
    path.write_bytes(case.mutate(rng, path.read_bytes()))
    message, found = try_out(root, path.name)
    if message is None:
        assert (path.name, path.parent.name) in found[path.parts[-3]]


def rename(path: str, name: str | bytes) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        old = os.fsencode(root / path)
        os.rename(old, os.path.join(os.path.dirname(old), os.fsencode(name)))

    return apply


def remove(*paths: str) -> Callable[[Path], None]:
    return lambda root: [shutil.rmtree(root / path) for path in paths]


def empty_class(root: Path) -> None:
    (root / "train" / "dog").mkdir()


def folder_called_image(root: Path) -> None:
    (root / "train" / "ant" / "ant_9.jpg").mkdir()


def loop_below_class(root: Path) -> None:
    (root / "train" / "ant" / "again").symlink_to(root / "train")


def loop_as_class(root: Path) -> None:
    (root / "train" / "self").symlink_to(root / "train" / "self")


def link_to_nothing(root: Path) -> None:
    (root / "train" / "ant" / "ant_9.jpg").symlink_to(root / "gone.jpg")


def pipe(root: Path) -> None:
    os.mkfifo(root / "train" / "ant" / "ant_9.jpg")


def same_in_both_splits(root: Path) -> None:
    shutil.copy(root / "train" / "ant" / "ant_0.jpg", root / "val" / "ant" / "ant_9.jpg")


def same_in_two_classes(root: Path) -> None:
    shutil.copy(root / "train" / "ant" / "ant_0.jpg", root / "train" / "bee" / "bee_9.jpg")


# Accepted, with the classes of each split.
HARMLESS = {
    "empty_class": (empty_class, NAMES),
    "folder_called_image": (folder_called_image, NAMES),
    "loop_below_class": (loop_below_class, NAMES),
    "class_missing_in_val": (remove("val/bee"), NAMES),
    "loop_as_class": (loop_as_class, NAMES),
    "newline": (rename("train/ant/ant_0.jpg", "ant\n_0.jpg"), NAMES),
    "unicode": (rename("train/ant/ant_0.jpg", "ant \U0001f41c\u202e\u0301.jpg"), NAMES),
    "spaces": (rename("train/ant/ant_0.jpg", " ant %s {} .jpg"), NAMES),
}
REFUSED = {
    "one_class": (remove("train/bee", "train/cat", "val/bee", "val/cat"), ("ant",)),
    "class_in_val_alone": (remove("train/bee"), ("bee",)),
    "misspelt_class": (rename("val/bee", "Bee"), ("Bee",)),
    "no_train": (remove("train"), ("train",)),
    "no_val": (remove("val"), ("val",)),
    "nothing": (remove("train", "val"), ("set",)),
    "same_in_both_splits": (same_in_both_splits, ("ant_9.jpg",)),
    "link_to_nothing": (link_to_nothing, ("ant_9.jpg",)),
}
EITHER = {
    "same_in_two_classes": (same_in_two_classes, ("ant_0.jpg", "bee_9.jpg")),
    "bytes_in_file_name": (rename("train/ant/ant_0.jpg", b"ant_\xff0.jpg"), ("0.jpg",)),
    "bytes_in_class_name": (rename("val/bee", b"bee\xff"), ("bee",)),
    "pipe": (pipe, ("ant_9.jpg",)),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_folders(root, name):
    spoil, classes = HARMLESS[name]
    spoil(root)
    message, found = try_out(root)
    assert message is None
    assert {label for _, label in found["train"]} == set(classes)
    assert len(found["train"]) == len(NAMES) * NUM_IMAGES


@pytest.mark.parametrize("name", REFUSED)
def test_broken_folders_are_refused(root, name):
    spoil, names = REFUSED[name]
    spoil(root)
    assert try_out(root, *names)[0] is not None


@pytest.mark.parametrize("name", EITHER)
def test_odd_folders(root, name):
    spoil, names = EITHER[name]
    spoil(root)
    try_out(root, *names)


@pytest.mark.parametrize("case", cases("labels", BYTES | ENCODINGS | LINES, 2), ids=str)
def test_spoilt_lists(healthy, tmp_path, case):
    root = copy(healthy["listed"], tmp_path)
    path, rng = root / "labels.csv", case.rng()
    path.write_bytes(case.mutate(rng, path.read_bytes()))
    try_out(root, "labels.csv", "ant_", "bee_", "cat_", "split", "class")
