"""Spoilt COCO, VOC and YOLO annotations: found, verified and loaded, or refused by name."""

import json
from pathlib import Path

import pytest
from fuzz_mutators import BYTES, ENCODINGS, JSON, LINES, cases, dump, other_root
from fuzz_oracle import survive
from fuzz_sets import copy_of, make_set, use

COCO_VALUES = cases("coco", JSON, 20) + cases("coco", {"root": other_root}, 8)
COCO_BYTES = cases("coco-bytes", BYTES | ENCODINGS, 3)
# format, files of it, a way to spoil one of them
TEXT_FILES = [
    pytest.param(fmt, pattern, case, id=case.name)
    for name, fmt, pattern, repeats in (
        ("voc", "voc", "*.xml", 4),
        ("voc_list", "voc", "ImageSets/Main/*.txt", 2),
        ("yolo", "yolo", "labels/**/*.txt", 4),
        ("data_yaml", "yolo", "data.yaml", 4),
    )
    for case in cases(name, BYTES | ENCODINGS | LINES, repeats)
]
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


@pytest.mark.parametrize(("fmt", "pattern", "case"), TEXT_FILES)
def test_text_files(healthy, tmp_path, fmt, pattern, case):
    root = copy_of(healthy[fmt], tmp_path / "set")
    file = spoil(case, root, list(root.rglob(pattern)))
    survive(lambda: use(root), root, file.name, file.stem)
