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


def write_tiny_coco(root: Path, content: dict | None = None) -> tuple[Path, Path]:
    """Write the tiny set; return its annotation file and image folder."""
    root.mkdir(parents=True, exist_ok=True)
    images = root / "images"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    for name in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(images / name), noise)
    annotations = root / "train.json"
    annotations.write_text(json.dumps(tiny_coco() if content is None else content))
    return annotations, images
