"""The same tiny set, two images and three boxes, written by hand as VOC and as YOLO."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import find_data

CLASSES = ("dog", "cat")
# image: (width, height), boxes x, y, width, height with their class
PICTURES = {
    "train": {"a.jpg": ((40, 30), [("dog", (4, 3, 20, 12)), ("cat", (0, 0, 40, 30))])},
    "val": {"b.jpg": ((20, 50), [("cat", (5, 10, 10, 25))])},
}


def write_image(path: Path, size: tuple[int, int], seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), noise)


def voc_xml(size: tuple[int, int], objects: list, extra: str = "") -> str:
    text = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    for name, (x, y, width, height) in objects:
        text += (
            f"<object><name>{name}</name>{extra}<bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox></object>"
        )
    return f"<annotation>{text}</annotation>"


def write_voc(root: Path) -> Path:
    """Write the devkit's layout, with a class file."""
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, pictures in PICTURES.items():
        for name, (size, objects) in pictures.items():
            write_image(root / "JPEGImages" / name, size)
            xml = root / "Annotations" / name.replace(".jpg", ".xml")
            xml.write_text(voc_xml(size, objects))
        stems = "".join(f"{Path(name).stem}\n" for name in pictures)
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(stems)
    (root / "classes.txt").write_text("dog\ncat\n")
    return root


def write_yolo(root: Path) -> Path:
    """Write `images/` and `labels/` with folders for the splits, and `data.yaml`."""
    for split, pictures in PICTURES.items():
        for name, (size, objects) in pictures.items():
            write_image(root / "images" / split / name, size)
            labels = root / "labels" / split / name.replace(".jpg", ".txt")
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("".join(yolo_row(size, *item) for item in objects))
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [dog, cat]\n")
    return root


def yolo_row(size: tuple[int, int], name: str, box: tuple) -> str:
    x, y, width, height = box
    values = (
        (x + width / 2) / size[0],
        (y + height / 2) / size[1],
        width / size[0],
        height / size[1],
    )
    return " ".join(map(str, (CLASSES.index(name), *values))) + "\n"


def boxes_of(path: Path) -> dict[str, list]:
    """Return size and boxes with class name of each image of a COCO file."""
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    files = {image["id"]: image["file_name"] for image in content["images"]}
    found = {i["file_name"]: ((i["width"], i["height"]), []) for i in content["images"]}
    for annotation in content["annotations"]:
        item = names[annotation["category_id"]], tuple(annotation["bbox"])
        found[files[annotation["image_id"]]][1].append(item)
    return found


def message_of(root) -> str:
    """Return the one line with which `find_data` refuses what is in `root`."""
    with pytest.raises(InputError) as caught:
        find_data(root)
    message = str(caught.value)
    assert "\n" not in message
    return message
