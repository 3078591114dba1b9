"""Reading the XML files of a Pascal VOC set.

Coordinates as in the VOC devkit (1-based, both ends included); see docs/data.md.
"""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.datasets.formats._text import read_bytes
from mnv4_vision.datasets.formats.splits import (
    CocoBuilder,
    FoundSet,
    Item,
    LoadedSet,
    Split,
    read_items,
)
from mnv4_vision.datasets.image_files import header_size

__all__ = ["FLAGS", "VocSet"]

_LARGEST_PX = 1e9
FLAGS = ("difficult", "truncated", "occluded")  # kept with the annotation where they are 1


@dataclass
class _Object:
    name: str
    corners: tuple[float, float, float, float]  # xmin, ymin, xmax, ymax as written
    flags: dict[str, int]
    source: str


@dataclass
class _Picture:
    name: str
    size: tuple[int, int]
    objects: list[_Object]
    source: str


@dataclass(frozen=True)
class VocSet(FoundSet):
    """A VOC set on disk."""

    def read(self, splits: Sequence[str]) -> LoadedSet:
        """Read these splits. Class order: `classes.txt`, else the names sorted."""
        pictures = {split: read_items(self, split, self._read_picture) for split in splits}
        classes = self.classes or _class_order(pictures)
        zero_based = _zero_based(pictures)
        warnings = list(self.warnings)
        if zero_based:
            warnings.append(
                f"coordinates below 1 ({zero_based}): all are read as 0-based, x = xmin and "
                "width = xmax - xmin"
            )
        offset = 0 if zero_based else 1
        loaded = {s: _content(pictures[s], classes, offset) for s in splits}
        return LoadedSet(
            self.format,
            self.name,
            classes,
            {s: Split(self.splits[s].images, content) for s, content in loaded.items()},
            tuple(warnings),
        )

    def _read_picture(self, item: Item, image: Path) -> _Picture:
        tree = _parse(item.annotation)
        label = self.label(item.annotation)
        objects = [
            self._read_object(item.annotation, label, number, node)
            for number, node in enumerate(tree.findall("object"), 1)
        ]
        return _Picture(item.name, _size(item.annotation, tree, image), objects, label)

    def _read_object(
        self, path: Path, label: str, number: int, node: ElementTree.Element
    ) -> _Object:
        name = (node.findtext("name") or "").strip()
        place = f"{path}: object {number}"
        if not name:
            raise InputError(f"{place} has no <name>; it must hold the class")
        place += f" ({name})"
        if self.classes and name not in self.classes:
            hint = did_you_mean(name, self.classes)
            raise InputError(
                f"{place}: the class is not in {self.settings[-1]}{hint}; correct or add it"
            )
        box = node.find("bndbox")
        if box is None:
            raise InputError(f"{place} has no <bndbox> with xmin, ymin, xmax, ymax")
        corners = tuple(_number(place, box, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
        flags = {flag: 1 for flag in FLAGS if (node.findtext(flag) or "").strip() == "1"}
        return _Object(name, corners, flags, f"{label}: object {number} ({name})")


def _parse(path: Path) -> ElementTree.Element:
    content = read_bytes(path, "annotation file")
    # Entities can expand without end. The zeros are those of UTF-16.
    if any(word in content.replace(b"\0", b"") for word in (b"<!DOCTYPE", b"<!ENTITY")):
        raise InputError(f"{path}: has a DOCTYPE or ENTITY, which VOC files do not need: remove it")
    try:
        tree = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: broken XML, {error}") from None
    except (LookupError, ValueError) as error:  # encodings unknown to Python or to expat
        raise InputError(f"{path}: broken XML: {error}") from None
    if tree.tag != "annotation":
        raise InputError(f"{path}: the root is <{tree.tag}>, VOC files have <annotation>")
    return tree


def _number(place: str, parent: ElementTree.Element, tag: str) -> float:
    text = parent.findtext(tag)
    if text is None:
        raise InputError(f"{place}: <{parent.tag}> has no <{tag}>")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < _LARGEST_PX:  # false for NaN too
        raise InputError(f"{place}: {tag} is {text.strip()[:40]!r}, it must be a number of pixels")
    return value


def _size(path: Path, tree: ElementTree.Element, image: Path) -> tuple[int, int]:
    """Return `<size>` where it is the image's, turned by EXIF or not; the image's without it."""
    node = tree.find("size")
    recorded = (0, 0)
    if node is not None:
        recorded = tuple(int(_number(str(path), node, tag)) for tag in ("width", "height"))
    stored, turned = header_size(image)
    if min(recorded) <= 0:
        return turned
    if recorded not in (stored, turned):
        raise InputError(
            f"{path}: <size> says {recorded[0]}x{recorded[1]}, but {image} is "
            f"{turned[0]}x{turned[1]} (width x height): put the annotated image there"
        )
    return recorded


def _class_order(pictures: dict[str, list[_Picture]]) -> tuple[str, ...]:
    """Sort the names; those of the test split alone come last, as a training does not see it."""
    names = {s: {o.name for p in group for o in p.objects} for s, group in pictures.items()}
    seen = set().union(*(found for split, found in names.items() if split != "test"))
    return (*sorted(seen), *sorted(names.get("test", set()) - seen))


def _zero_based(pictures: dict[str, list[_Picture]]) -> str | None:
    """Return the first object that the devkit's 1-based coordinates cannot hold."""
    objects = (o for group in pictures.values() for picture in group for o in picture.objects)
    return next((o.source for o in objects if min(o.corners[:2]) < 1), None)


def _content(pictures: list[_Picture], classes: Sequence[str], offset: int) -> dict[str, Any]:
    builder = CocoBuilder(classes)
    labels = {name: label for label, name in enumerate(classes)}
    for picture in pictures:
        builder.add_image(picture.name, picture.size, picture.source)
        for item in picture.objects:
            left, top, right, bottom = item.corners
            box = (left - offset, top - offset, right - left + offset, bottom - top + offset)
            builder.add_box(labels[item.name], box, item.source, **item.flags)
    return builder.content()
