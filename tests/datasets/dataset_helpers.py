"""Paths of the real data and a tiny COCO set to damage."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def shared_data(name: str) -> Path:
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"real data set {name} is not at {folder}")
    return folder


def tiny_coco() -> dict:
    """Two 40x30 images, two categories, a box each."""
    return {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 40, "height": 30},
            {"id": 2, "file_name": "b.jpg", "width": 40, "height": 30},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 20, 10], "area": 200},
            {"id": 2, "image_id": 2, "category_id": 5, "bbox": [3, 3, 9, 9], "area": 81},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}],
    }


def set_path(content: dict, path: str, value) -> dict:
    """Set `a.0.b` in place, or delete it where `value` is `KeyError`; return the whole."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    record = content
    for part in parents:
        record = record[part]
    if value is KeyError:
        del record[last]
    else:
        record[last] = value
    return content


def write_noise(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    """Write a picture of `(width, height)` that no other seed gives."""
    shape = (size[1], size[0], 3)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8))


def write_tiny_coco(root: Path, content: dict | None = None) -> tuple[Path, Path]:
    """Write the tiny set; return its annotation file and image folder."""
    root.mkdir(parents=True, exist_ok=True)
    images = root / "images"
    images.mkdir()
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        write_noise(images / name, seed)
    annotations = root / "train.json"
    annotations.write_text(json.dumps(tiny_coco() if content is None else content))
    return annotations, images
