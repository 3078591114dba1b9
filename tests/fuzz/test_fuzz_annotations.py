"""Spoilt COCO, VOC and YOLO annotations: found, verified and loaded, or refused by name."""

import json
from pathlib import Path

import pytest
from fuzz_mutators import BYTES, ENCODINGS, JSON, LINES, cases, dump, other_root
from fuzz_oracle import survive
from fuzz_sets import copy_of, make_set, use

COCO_VALUES = cases("coco", JSON, 20) + cases("coco", {"root": other_root}, 8)
COCO_BYTES = cases("coco-bytes", BYTES | ENCODINGS, 3)
VOC = cases("voc", BYTES | ENCODINGS | LINES, 4)
YOLO = cases("yolo", BYTES | ENCODINGS | LINES, 4)
DATA_YAML = cases("data_yaml", BYTES | ENCODINGS | LINES, 4)
LISTS = cases("voc_list", BYTES | ENCODINGS | LINES, 2)
# What a refusal of a COCO set names: either annotation file, or an image that disagrees with it.
COCO_NAMES = ("instances_train.json", "instances_val.json", "train_", "val_")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A healthy set of each format."""
    folder = tmp_path_factory.mktemp("healthy")
    return {fmt: make_set(folder / fmt, fmt) for fmt in ("coco", "voc", "yolo")}


def spoil(case, root: Path, files: list[Path]) -> Path:
    """Mutate the bytes of one of the files."""
    rng = case.rng()
    file = rng.choice(sorted(files))
    file.write_bytes(case.mutate(rng, file.read_bytes()))
    return file


@pytest.mark.parametrize("fmt", ["coco", "voc", "yolo"])
def test_healthy_sets_are_accepted(healthy, fmt):
    assert survive(lambda: use(healthy[fmt]), healthy[fmt]) is None


@pytest.mark.parametrize("case", COCO_VALUES, ids=lambda case: case.name)
def test_coco_values(healthy, tmp_path, case):
    root, rng = copy_of(healthy["coco"], tmp_path / "set"), case.rng()
    file = root / "annotations" / rng.choice(("instances_train.json", "instances_val.json"))
    file.write_bytes(dump(case.mutate(rng, json.loads(file.read_text()))))
    survive(lambda: use(root), root, *COCO_NAMES)


@pytest.mark.parametrize("case", COCO_BYTES, ids=lambda case: case.name)
def test_coco_bytes(healthy, tmp_path, case):
    root = copy_of(healthy["coco"], tmp_path / "set")
    spoil(case, root, list((root / "annotations").iterdir()))
    survive(lambda: use(root), root, *COCO_NAMES)


@pytest.mark.parametrize("case", VOC, ids=lambda case: case.name)
def test_voc_xml(healthy, tmp_path, case):
    root = copy_of(healthy["voc"], tmp_path / "set")
    file = spoil(case, root, list(root.rglob("*.xml")))
    survive(lambda: use(root), root, file.name, file.stem)


@pytest.mark.parametrize("case", LISTS, ids=lambda case: case.name)
def test_voc_image_sets(healthy, tmp_path, case):
    root = copy_of(healthy["voc"], tmp_path / "set")
    file = spoil(case, root, list(root.rglob("ImageSets/Main/*.txt")))
    survive(lambda: use(root), root, file.name)


@pytest.mark.parametrize("case", YOLO, ids=lambda case: case.name)
def test_yolo_labels(healthy, tmp_path, case):
    root = copy_of(healthy["yolo"], tmp_path / "set")
    file = spoil(case, root, list(root.rglob("labels/**/*.txt")))
    survive(lambda: use(root), root, file.name, file.stem)


@pytest.mark.parametrize("case", DATA_YAML, ids=lambda case: case.name)
def test_data_yaml(healthy, tmp_path, case):
    root = copy_of(healthy["yolo"], tmp_path / "set")
    file = spoil(case, root, [root / "data.yaml"])
    survive(lambda: use(root), root, file.name)
