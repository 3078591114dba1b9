"""Spoilt masks and class files: the labels that were drawn, or refused by the name of the file."""

import gc
import json
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzz_mask_sets import MAKERS, in_colour, label_map, use_masks
from fuzz_mutators import BYTES, ENCODINGS, JSON, LINES, cases, claim_png_size, dump, other_root
from fuzz_oracle import survive
from fuzz_sets import HEIGHT, WIDTH, copy_of
from PIL import Image

from mnv4_vision.datasets.masks import IGNORED, find_masks, read_mask, splits_of, verify_masks

LABELS = label_map(0)
TEXT_FILES = [
    pytest.param(layout, name, case, id=f"{name}-{case.name}")
    for layout, name in (("guessed", "classes.txt"), ("colours", "labelmap.txt"))
    for case in cases(layout, BYTES | ENCODINGS | LINES, 2)
]
# layout, files of it, a way to spoil their values
JSON_FILES = [
    pytest.param(layout, pattern, case, id=case.name)
    for layout, pattern in (("indices", "classes.json"), ("panoptic", "panoptic_*.json"))
    for case in cases(layout, JSON, 3) + cases(layout, {"root": other_root}, 4)
]
ZERO = "reduce_zero_label"
ANY_FILE = ("train_", "val_")  # values that no class has, once a class is gone


@pytest.fixture(scope="module", autouse=True)
def quick_collection():
    """mmengine collects all garbage for each data set: 0.15 s with what is imported here."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A healthy set of each layout."""
    folder = tmp_path_factory.mktemp("healthy")
    return {name: make(folder / name) for name, make in MAKERS.items()}


def encode(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def save(image: Image.Image, kind: str = "PNG") -> bytes:
    file = BytesIO()
    image.save(file, kind)
    return file.getvalue()


def palette(labels: np.ndarray) -> Image.Image:
    image = Image.fromarray(labels, mode="P")
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    return image


def with_value(value: int) -> np.ndarray:
    labels = LABELS.astype(np.uint8 if value < 256 else np.uint16)
    labels[20, 30] = value
    return labels


# Files that hold the labels, whatever the format.
FAITHFUL = {
    "palette": lambda: save(palette(LABELS)),
    "bits_16": lambda: encode(LABELS.astype(np.uint16)),
    "grey_rgb": lambda: encode(cv2.merge([LABELS] * 3)),
    "grey_alpha": lambda: save(Image.fromarray(LABELS).convert("LA")),
    "rgba": lambda: encode(cv2.merge([LABELS] * 3 + [np.full_like(LABELS, 9)])),
    "padded": lambda: encode(LABELS) + bytes(500),
    "tiff": lambda: encode(LABELS, ".tif"),
    "bmp": lambda: encode(LABELS, ".bmp"),
}
WRONG = {
    "value_4": lambda: encode(with_value(4)),
    "value_254": lambda: encode(with_value(254)),
    "value_256": lambda: encode(with_value(256)),
    "value_65535": lambda: encode(with_value(65535)),
    "two_more": lambda: encode(np.where(LABELS == IGNORED, IGNORED, LABELS + 2)),
    "scaled": lambda: encode(LABELS.astype(np.uint16) * 257),
    "colours": lambda: encode(in_colour(LABELS)),
    "floats": lambda: encode(LABELS.astype(np.float32), ".tif"),
    "jpeg": lambda: encode(LABELS, ".jpg"),
    "transposed": lambda: encode(LABELS.T),
    "one_row_less": lambda: encode(LABELS[1:]),
    "one_pixel": lambda: encode(LABELS[:1, :1]),
    "empty": lambda: b"",
    "signature": lambda: b"\x89PNG\r\n\x1a\n",
    "pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "text": lambda: b"0 1 2\n" * 50,
} | {
    f"claims_{width}x{height}_{kind}": partial(claim_png_size, data, width, height)
    for kind, data in (("index", encode(LABELS)), ("palette", save(palette(LABELS))))
    for width, height in ((0, 0), (WIDTH, HEIGHT + 16), (65500, 65500), (2**31 - 1, 2**31 - 1))
}


@pytest.mark.parametrize("layout", MAKERS)
def test_healthy_sets_are_accepted(healthy, layout):
    assert survive(lambda: use_masks(healthy[layout]), healthy[layout]) is None


@pytest.mark.parametrize("name", FAITHFUL)
def test_every_format_gives_the_labels(healthy, tmp_path, name):
    root = copy_of(healthy["indices"], tmp_path / "set")
    file = next(root.rglob("train_0.png"))
    file.write_bytes(FAITHFUL[name]())
    assert (read_mask(file) == LABELS).all()
    assert survive(lambda: use_masks(root), root) is None


@pytest.mark.parametrize("name", WRONG)
def test_wrong_masks_are_refused(healthy, tmp_path, name):
    root = copy_of(healthy["indices"], tmp_path / "set")
    file = next(root.rglob("train_0.png"))
    file.write_bytes(WRONG[name]())
    assert survive(lambda: use_masks(root), root, file.name) is not None


@pytest.mark.parametrize("layout", ["indices", "colours"])
@pytest.mark.parametrize("case", cases("mask-file", BYTES, 5), ids=lambda case: case.name)
def test_damaged_masks_never_give_other_labels(healthy, tmp_path, layout, case):
    root, rng = copy_of(healthy[layout], tmp_path / "set"), case.rng()
    file = rng.choice(sorted(root.rglob("*.png")))
    data = file.read_bytes()
    if layout == "indices" and rng.random() < 0.5:
        data = save(palette(read_mask(file)))
    meant = decode(data, tmp_path / "meant.png", layout)
    file.write_bytes(case.mutate(rng, data))
    if survive(lambda: use_masks(root), root, file.name) is None:
        assert (decode(file.read_bytes(), tmp_path / "got.png", layout) == meant).all()


def decode(data: bytes, path: Path, layout: str) -> np.ndarray:
    path.write_bytes(data)
    return read_mask(path, in_colour=layout == "colours")


@pytest.mark.parametrize(("layout", "name", "case"), TEXT_FILES)
def test_class_files(healthy, tmp_path, layout, name, case):
    root = copy_of(healthy[layout], tmp_path / "set")
    file = root / name
    file.write_bytes(case.mutate(case.rng(), file.read_bytes()))
    survive(lambda: use_masks(root), root, name, *ANY_FILE)


@pytest.mark.parametrize(("layout", "pattern", "case"), JSON_FILES)
def test_values_of_classes(healthy, tmp_path, layout, pattern, case):
    root, rng = copy_of(healthy[layout], tmp_path / "set"), case.rng()
    files = sorted(root.rglob(pattern))
    for file in files:
        file.write_bytes(dump(case.mutate(rng, json.loads(file.read_text()))))
    survive(lambda: use_masks(root), root, *(file.name for file in files), *ANY_FILE, ZERO)


def test_masks_that_count_from_one(healthy, tmp_path):
    root = copy_of(healthy["indices"], tmp_path / "set")
    for file in root.rglob("*.png"):
        labels = read_mask(file)
        file.write_bytes(encode(np.where(labels == IGNORED, IGNORED, labels + 1)))
    assert survive(lambda: use_masks(root), root, ZERO) is not None


def test_masks_of_two_values_in_black_and_white(healthy, tmp_path):
    root = copy_of(healthy["indices"], tmp_path / "set")
    for file in root.rglob("*.png"):
        file.write_bytes(save(Image.fromarray(read_mask(file) > 0)))
    assert "0 and 255" in survive(lambda: use_masks(root), root, "masks")


@pytest.mark.parametrize("layout", MAKERS)
@pytest.mark.parametrize("pattern", ["*train_*.png", "*val_*.jpg"])
def test_splits_without_a_half_are_refused(healthy, tmp_path, layout, pattern):
    root = copy_of(healthy[layout], tmp_path / "set")
    files = list(root.rglob(pattern))
    for file in files:
        file.unlink()
    names = {file.parent.name for file in files} | {root.name}
    assert survive(lambda: use_masks(root), root, *names) is not None


@pytest.mark.parametrize("name", ["train_0.jpg", "val_1.png"])
def test_pair_without_a_half_is_left_out_and_named(healthy, tmp_path, name):
    root = copy_of(healthy["indices"], tmp_path / "set")
    next(root.rglob(name)).unlink()
    report = verify_masks(splits_of(find_masks(root)))
    assert Path(name).stem in report.describe()
    survive(lambda: use_masks(root), root, Path(name).stem)
