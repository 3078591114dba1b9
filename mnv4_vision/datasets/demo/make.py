"""A small generated data set in COCO's layout: boxes, instance masks, index masks and labels.

Deterministic, made in seconds, nothing is downloaded. Used by `--demo` and by the tests.
"""

import csv
import json
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.demo._scenes import CLASSES, DIFFICULTY, Instance, Scene, render_scene

__all__ = ["DEMO_CLASSES", "make_demo"]

DEMO_CLASSES = CLASSES
_GENERATOR_VERSION = 1  # raise it with every change of code that alters the pictures
_MANIFEST = "demo.json"
_SPLITS = ("train", "val")
_JPEG_QUALITY = 92


def make_demo(
    root: Path | str,
    *,
    train: int = 400,
    val: int = 100,
    image_size: int = 192,
    seed: int = 0,
) -> Path:
    """Write the demo set to `root`, or return at once if it is already there.

    `root` gets `annotations/instances_{train,val}.json`, `{train,val}/*.jpg`,
    `masks/{train,val}/*.png` (0 is background, class `i` is `i + 1`) and `labels.csv` (one class
    per scene). The set is built beside `root` and renamed, so a half-written one is never seen.

    Args:
        root: Folder to create. A demo set made with other parameters is replaced; any other
            folder with content is left alone.
        train: Number of training scenes.
        val: Number of validation scenes.
        image_size: Side of the square images, in pixels.
        seed: Equal seeds give equal bytes (with the same OpenCV and numpy).

    Returns:
        `root`, absolute.

    Raises:
        InputError: A parameter is out of range, `root` holds something else, or it cannot be
            written.
    """
    root = Path(root).absolute()
    _check_parameters(train, val, image_size, seed)
    manifest = {
        "generator_version": _GENERATOR_VERSION,
        "train": train,
        "val": val,
        "image_size": image_size,
        "seed": seed,
        "difficulty": json.loads(json.dumps(DIFFICULTY)),  # tuples become lists, as when read back
    }
    if _read_manifest(root) == manifest:
        return root
    _refuse_foreign_folder(root)
    try:
        _build(root, manifest)
    except OSError as error:
        raise InputError(
            f"cannot write the demo data to {root}: {error.strerror or error}"
        ) from error
    return root


def _check_parameters(train: int, val: int, image_size: int, seed: int) -> None:
    for name, count in (("train", train), ("val", val)):
        if count < 1:
            raise InputError(f"demo data: {name} is {count}, at least 1 scene is needed")
    if not 64 <= image_size <= 2048:
        raise InputError(f"demo data: image size is {image_size}, allowed are 64 to 2048 pixels")
    if seed < 0:
        raise InputError(f"demo data: seed is {seed}, it must be 0 or more")


def _read_manifest(root: Path) -> dict | None:
    try:
        manifest = json.loads((root / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    is_ours = isinstance(manifest, dict) and "generator_version" in manifest
    return manifest if is_ours else None


def _refuse_foreign_folder(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; give a folder for the demo data")
    if root.is_dir() and any(root.iterdir()) and _read_manifest(root) is None:
        raise InputError(
            f"{root} is not empty and holds no demo data ({_MANIFEST}); "
            "give another folder or empty this one"
        )


def _build(root: Path, manifest: dict) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as workspace:
        fresh = Path(workspace) / "new"
        for index, split in enumerate(_SPLITS):
            entropy = (manifest["seed"], index)
            _write_split(fresh, split, manifest[split], manifest["image_size"], entropy)
        _write_labels(fresh)
        (fresh / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        _move_into_place(fresh, root, Path(workspace) / "old", manifest)


def _move_into_place(fresh: Path, root: Path, old: Path, manifest: dict) -> None:
    # Another process (a second rank of a distributed run) may be faster: use what it made.
    if _read_manifest(root) == manifest:
        return
    try:
        if root.exists():
            os.replace(root, old)
        os.replace(fresh, root)
    except OSError:
        if _read_manifest(root) != manifest:
            raise


def _write_split(
    root: Path, split: str, count: int, image_size: int, entropy: tuple[int, ...]
) -> None:
    image_dir, mask_dir = root / split, root / "masks" / split
    for folder in (image_dir, mask_dir, root / "annotations"):
        folder.mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id in range(1, count + 1):
        rng = np.random.default_rng((*entropy, image_id))
        scene = render_scene(rng, image_id % len(CLASSES), image_size)
        stem = f"{split}_{image_id:06d}"
        _write_image(image_dir / f"{stem}.jpg", scene.image, quality=_JPEG_QUALITY)
        _write_image(mask_dir / f"{stem}.png", scene.index_mask())
        images.append(_image_record(image_id, f"{stem}.jpg", scene))
        for instance in scene.instances:
            annotations.append(_annotation(len(annotations) + 1, image_id, instance))
    content = {
        "info": {"description": "mnv4_vision demo shapes", "version": str(_GENERATOR_VERSION)},
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)],
        "images": images,
        "annotations": annotations,
    }
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def _write_image(path: Path, image: np.ndarray, quality: int | None = None) -> None:
    flags = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    ok, buffer = cv2.imencode(path.suffix, image, flags)
    assert ok, path
    path.write_bytes(buffer.tobytes())  # unlike cv2.imwrite, says why it failed (disk full)


def _image_record(image_id: int, file_name: str, scene: Scene) -> dict:
    height, width = scene.image.shape[:2]
    return {
        "id": image_id,
        "file_name": file_name,
        "width": width,
        "height": height,
        "label": CLASSES[scene.label],
    }


def _annotation(annotation_id: int, image_id: int, instance: Instance) -> dict:
    rows, columns = np.nonzero(instance.mask)
    x, y = int(columns.min()), int(rows.min())
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": instance.label + 1,
        "bbox": [x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1],
        "area": int(instance.mask.sum()),
        "segmentation": _segmentation(instance.mask),
        "iscrowd": 0,
    }


def _segmentation(mask: np.ndarray) -> list[list[float]] | dict:
    """Return polygons, or run lengths where polygons cannot tell the mask (holes, specks)."""
    # Traced at double size, an outline runs a quarter pixel inside the mask's edge instead of
    # through pixel centres, so that COCO's rasteriser gives the same pixels back.
    double = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, tree = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if (tree[0, :, 3] >= 0).any() or min(map(len, contours)) < 3:
        return _run_lengths(mask)
    polygons = [cv2.approxPolyDP(contour, 0.5, True) for contour in contours]
    return [((polygon.reshape(-1) + 0.5) / 2).tolist() for polygon in polygons]


def _run_lengths(mask: np.ndarray) -> dict:
    """Encode as COCO's uncompressed RLE: column-major run lengths, starting with background."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def _write_labels(root: Path) -> None:
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file_name", "label"])
        for split in _SPLITS:
            content = json.loads((root / "annotations" / f"instances_{split}.json").read_text())
            for image in content["images"]:
                writer.writerow([f"{split}/{image['file_name']}", image["label"]])
