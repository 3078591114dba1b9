"""Writes a loaded set as COCO, VOC or YOLO, and counts what the format cannot hold."""

import json
import os
import shutil
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from mnv4_vision.core.errors import InputError, MissingFileError, did_you_mean
from mnv4_vision.core.files import new_folder
from mnv4_vision.datasets.formats._voc_xml import FLAGS
from mnv4_vision.datasets.formats.splits import LoadedSet, Split
from mnv4_vision.datasets.formats.yolo import label_path
from mnv4_vision.datasets.image_files import IMAGE_SUFFIXES

__all__ = ["FORMATS", "IMAGE_MODES", "write_set"]

IMAGE_MODES = ("copy", "hardlink", "symlink")
_Box = tuple[float, float, float, float]


def write_set(loaded: LoadedSet, fmt: str, out: Path | str, images: str = "copy") -> Counter[str]:
    """Write a set to a new folder, whole or not at all.

    Args:
        loaded: The set, with splits.
        fmt: `coco`, `voc` or `yolo`.
        out: Folder to create; an empty one is used.
        images: `copy`, `hardlink` (copies across file systems) or `symlink`.

    Returns:
        What the format could not hold, with counts.

    Raises:
        InputError: A name that the format cannot hold, `out` is not empty or cannot be written.
        MissingFileError: An image is missing.
    """
    for value, allowed in ((fmt, FORMATS), (images, IMAGE_MODES)):
        if value not in allowed:
            hint = did_you_mean(value, allowed)
            raise InputError(f"{value!r} is not one of {', '.join(allowed)}{hint}")
    if fmt != "coco":
        _check_names(loaded, fmt)
    with new_folder(out) as folder:
        return FORMATS[fmt](loaded, folder, lambda source, to: _place(source, to, images))


def _write_coco(loaded: LoadedSet, folder: Path, place: Callable) -> Counter[str]:
    for split, data in loaded.splits.items():
        for image in data.content["images"]:
            place(data.images / image["file_name"], folder / split / image["file_name"])
        content = data.content if loaded.format == "coco" else _without_sources(data.content)
        file = folder / "annotations" / f"instances_{split}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")
    return Counter()


def _write_yolo(loaded: LoadedSet, folder: Path, place: Callable) -> Counter[str]:
    losses: Counter[str] = Counter()
    for split, data in loaded.splits.items():
        for image, boxes in _images_with_boxes(data, losses, keep=()):
            path = folder / "images" / split / image["file_name"]
            place(data.images / image["file_name"], path)
            size = image["width"], image["height"]
            rows = [
                f"{label} {row}\n" for label, box, _ in boxes if (row := _row(box, size, losses))
            ]
            labels = label_path(folder, path)
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("".join(rows))
    # Without `path`, Ultralytics takes the folder of the file.
    content = {split: f"images/{split}" for split in loaded.splits}
    content["names"] = dict(enumerate(loaded.classes))
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return losses


def _write_voc(loaded: LoadedSet, folder: Path, place: Callable) -> Counter[str]:
    """Write the devkit's folders; a folder a split where two splits use one file name."""
    losses: Counter[str] = Counter()
    stems = [_stem(i["file_name"]) for d in loaded.splits.values() for i in d.content["images"]]
    devkit = len(set(stems)) == len(stems)
    for split, data in loaded.splits.items():
        images = folder / ("JPEGImages" if devkit else split)
        annotations = folder / ("Annotations" if devkit else split)
        names = []
        for image, boxes in _images_with_boxes(data, losses, keep=FLAGS):
            place(data.images / image["file_name"], images / image["file_name"])
            names.append(_stem(image["file_name"]))
            path = annotations / f"{names[-1]}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            _voc_file(image, boxes, loaded.classes, losses).write(path, encoding="utf-8")
        if devkit:
            table = folder / "ImageSets" / "Main" / f"{split}.txt"
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    table = "".join(f"{name}\n" for name in loaded.classes)
    (folder / "classes.txt").write_text(table, encoding="utf-8")
    return losses


FORMATS: dict[str, Callable[[LoadedSet, Path, Callable], Counter[str]]] = {
    "coco": _write_coco,
    "voc": _write_voc,
    "yolo": _write_yolo,
}


def _images_with_boxes(
    data: Split, losses: Counter[str], keep: tuple[str, ...]
) -> Iterator[tuple[dict[str, Any], list[tuple[int, _Box, dict[str, int]]]]]:
    """Yield each image with `(label, box, flags)` of what can be kept."""
    labels = {c["id"]: label for label, c in enumerate(data.content["categories"])}
    boxes: dict[int, list] = {image["id"]: [] for image in data.content["images"]}
    for annotation in data.content["annotations"]:
        if annotation.get("iscrowd"):
            losses["crowd regions left out"] += 1
            continue
        _count_losses(annotation, losses, keep)
        flags = {flag: 1 for flag in keep if annotation.get(flag) == 1}
        item = (labels[annotation["category_id"]], tuple(annotation["bbox"]), flags)
        boxes[annotation["image_id"]].append(item)
    for image in data.content["images"]:
        yield image, boxes[image["id"]]


def _count_losses(annotation: dict[str, Any], losses: Counter[str], keep: tuple[str, ...]) -> None:
    _, _, width, height = annotation["bbox"]
    lost = {
        "outlines reduced to their box": bool(annotation.get("segmentation")),
        "areas other than that of the box": abs(annotation["area"] - width * height) > 1e-6,
        "flags ignore": bool(annotation.get("ignore")),
        **{f"flags {flag}": annotation.get(flag) == 1 for flag in FLAGS if flag not in keep},
    }
    losses.update(what for what, is_lost in lost.items() if is_lost)


def _row(box: _Box, size: tuple[int, int], losses: Counter[str]) -> str | None:
    """Return centre and size as fractions of the image, or None for a box outside of it."""
    row = _fractions(box, size)
    if not all(0 <= value <= 1 for value in row):
        clipped = _clip(box, size)
        losses["boxes clipped to their image" if clipped else "boxes outside their image"] += 1
        if clipped is None:
            return None
        row = [min(max(value, 0.0), 1.0) for value in _fractions(clipped, size)]
    return " ".join(map(repr, row))


def _fractions(box: _Box, size: tuple[int, int]) -> list[float]:
    x, y, width, height = box
    return [
        (x + width / 2) / size[0],
        (y + height / 2) / size[1],
        width / size[0],
        height / size[1],
    ]


def _clip(box: _Box, size: tuple[float, float]) -> _Box | None:
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, size[0]), min(y + height, size[1])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _voc_file(
    image: dict[str, Any], boxes: list, classes: tuple[str, ...], losses: Counter[str]
) -> ElementTree.ElementTree:
    root = ElementTree.Element("annotation")
    _add(root, "filename", PurePosixPath(image["file_name"]).name)
    size = _add(root, "size")
    for tag, value in (("width", image["width"]), ("height", image["height"]), ("depth", 3)):
        _add(size, tag, value)
    for label, box, flags in boxes:
        if min(box[:2]) < 0:  # would look like 0-based coordinates
            inside = _clip(box, (float("inf"), float("inf")))
            losses["boxes clipped to their image" if inside else "boxes outside their image"] += 1
            if inside is None:
                continue
            box = inside
        _voc_object(root, classes[label], box, flags)
    ElementTree.indent(root)
    return ElementTree.ElementTree(root)


def _voc_object(root: ElementTree.Element, name: str, box: _Box, flags: dict[str, int]) -> None:
    node = _add(root, "object")
    _add(node, "name", name)
    for flag in FLAGS:
        _add(node, flag, flags.get(flag, 0))
    x, y, width, height = box
    corners = _add(node, "bndbox")
    for tag, value in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + width), ("ymax", y + height)):
        _add(corners, tag, int(value) if value == int(value) else repr(float(value)))


def _add(parent: ElementTree.Element, tag: str, text: Any = None) -> ElementTree.Element:
    node = ElementTree.SubElement(parent, tag)
    node.text = None if text is None else str(text)
    return node


def _without_sources(content: dict[str, Any]) -> dict[str, Any]:
    plain = dict(content)
    for section in ("images", "annotations"):
        plain[section] = [{k: v for k, v in r.items() if k != "source"} for r in content[section]]
    return plain


def _check_names(loaded: LoadedSet, fmt: str) -> None:
    """Refuse names that the text files of VOC and YOLO cannot give back."""
    for name in loaded.classes:
        if not name.isprintable() or name != name.strip() or not name:
            raise InputError(f"{fmt} cannot hold the class {name!r}: rename it")
    for split, data in loaded.splits.items():
        names: dict[str, str] = {}
        for image in data.content["images"]:
            name = image["file_name"]
            stem = _stem(name)
            if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES or not name.isprintable():
                known = ", ".join(sorted(IMAGE_SUFFIXES))
                raise InputError(f"{fmt} cannot hold the image {name!r}: rename it ({known})")
            if stem in names:
                raise InputError(
                    f"{split}: the images {names[stem]!r} and {name!r} would share one {fmt} "
                    "file: rename one"
                )
            names[stem] = name


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _place(source: Path, target: Path, mode: str) -> None:
    if not source.is_file():
        raise MissingFileError(f"image {source} does not exist")
    if target.exists():
        return  # listed twice
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode == "symlink":
        target.symlink_to(source.resolve())
        return
    if mode == "hardlink":
        try:
            os.link(source.resolve(), target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copy2(source, target)
