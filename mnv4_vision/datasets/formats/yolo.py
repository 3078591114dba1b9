"""YOLO: a text file an image with `class x_centre y_centre width height`, and a data.yaml.

Files are found as Ultralytics does: the last `images` of a path becomes `labels`.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError, join_names
from mnv4_vision.datasets.formats._data_yaml import find_data_yaml, read_data_yaml
from mnv4_vision.datasets.formats._text import read_class_file, read_text
from mnv4_vision.datasets.formats.splits import (
    CocoBuilder,
    FoundSet,
    Item,
    LoadedSet,
    Split,
    SplitFiles,
    read_items,
)
from mnv4_vision.datasets.image_files import (
    IMAGE_SUFFIXES,
    by_stem,
    header_size,
    list_files,
    list_images,
)

__all__ = ["YOLO_LAYOUTS", "YoloSet", "find_yolo", "label_path"]

YOLO_LAYOUTS = ("data.yaml with names, train and val",)
_ROW = "class x_centre y_centre width height"
_SLACK = 0.01  # over 0 to 1, for rounding; Ultralytics allows as much


def find_yolo(root: Path, wanted: Collection[str]) -> FoundSet | None:
    """Find a YOLO set: a data.yaml, or `classes.txt` + `images/` + `labels/` without splits.

    Args:
        root: Its folder, without `..`.
        wanted: The splits to list.

    Returns:
        The set, or None where there is neither. Without val, or with val the same as train, it
        has no splits.

    Raises:
        InputError: The data.yaml or a list of images is wrong.
        MissingFileError: Images or labels are missing.
    """
    yaml_file = find_data_yaml(root)
    if yaml_file is None:
        return _without_yaml(root)
    data = read_data_yaml(yaml_file, wanted)
    splits = data.splits
    if not splits:
        raise InputError(f"{yaml_file} has neither train nor val; give the folders of the images")
    if list(splits) == ["train"] or (splits.get("train") == splits.get("val")):
        splits = {"all": splits["train"]}
    lists = [place for places in splits.values() for place in places if place.is_file()]
    images = {split: _images_of(root, places) for split, places in splits.items()}
    files = {
        split: _split_files(root, splits[split], listed)
        for split, listed in images.items()
        if listed or split != "test"  # exports name a test folder even where it is empty
    }
    name = f"YOLO: {' + '.join(files)} in {yaml_file.name}"
    if "all" in files:
        name = f"YOLO without splits: {yaml_file.name}"
    return _found(name, root, files, data.classes, (yaml_file, *lists), data.has_keypoints)


def _without_yaml(root: Path) -> FoundSet | None:
    tables = [root / "classes.txt", root / "labels" / "classes.txt"]
    table = next((path for path in tables if path.is_file()), None)
    images, labels = root / "images", root / "labels"
    if table is None:
        return None
    if images.is_dir() and labels.is_dir() and not next(labels.glob("*.xml"), None):
        name = "YOLO without splits: classes.txt + images + labels"
    elif any(path.with_suffix(".txt").is_file() for path in list_images(root)):
        name, images = "YOLO without splits: classes.txt, labels beside the images", root
    else:
        return None
    files = {"all": _split_files(root, (images,), _images_of(root, (images,)))}
    return _found(name, root, files, read_class_file(table), (table,))


def _found(
    name: str,
    root: Path,
    files: dict[str, SplitFiles],
    classes: tuple[str, ...],
    settings: tuple[Path, ...],
    has_keypoints: bool = False,
) -> FoundSet:
    warnings = tuple(_odd_files(root, files))
    return YoloSet("yolo", name, root, files, classes, settings, warnings, has_keypoints)


def _images_of(root: Path, places: tuple[Path, ...]) -> list[Path]:
    """List the images in these folders and lists of images, each once."""
    listed = (list_images(p) if p.is_dir() else _read_list(root, p) for p in places)
    return list(dict.fromkeys(chain.from_iterable(listed)))


def _split_files(root: Path, places: tuple[Path, ...], images: list[Path]) -> SplitFiles:
    if not images:
        raise MissingFileError(f"{places[0]} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    folder = places[0]
    if len(places) > 1 or folder.is_file():
        folder = Path(os.path.commonpath([path.parent for path in images]))
    by_stem(folder, images)
    items = [Item(path.relative_to(folder).as_posix(), _label_file(root, path)) for path in images]
    return SplitFiles(folder, tuple(items))


def _read_list(root: Path, path: Path) -> list[Path]:
    """Read a list of images, relative to the list's own folder or to the root."""
    images: dict[Path, None] = {}
    limit = Path(os.path.normpath(root.absolute()))
    for number, line in enumerate(read_text(path, "list of images").splitlines(), 1):
        name = line.strip().replace("\\", "/")
        if not name:
            continue
        places = [Path(os.path.normpath(base.absolute() / name)) for base in (path.parent, root)]
        places = [place for place in places if place.is_relative_to(limit)]
        if not places:
            raise InputError(f"{path}:{number}: {name!r} is outside of {limit}")
        image = next((place for place in places if place.is_file()), None)
        if image is None:
            raise MissingFileError(f"{path}:{number}: image {places[0]} does not exist")
        if image in images:
            raise InputError(f"{path}:{number}: {name!r} is listed twice")
        images[image] = None
    return list(images)


def label_path(root: Path, image: Path) -> Path:
    """Return the label file of an image below `root`."""
    parts = list(image.relative_to(root.absolute()).parts[:-1])
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        parts[last] = "labels"
    return root.absolute().joinpath(*parts, f"{image.stem}.txt")


def _label_file(root: Path, image: Path) -> Path | None:
    path = label_path(root, image)
    return path if path.is_file() else None


def _odd_files(root: Path, files: dict[str, SplitFiles]) -> list[str]:
    """Refuse a split without any label file; list what is there without its partner."""
    warnings = []
    used = {item.annotation for split in files.values() for item in split.items}
    for split, group in files.items():
        images = [group.images / item.name for item in group.items]
        bare = [path for path, item in zip(images, group.items, strict=True) if not item.annotation]
        if len(bare) == len(images) and split != "test":
            raise MissingFileError(
                f"none of the {len(images)} images of {split} has a label file; the first would "
                f"be {label_path(root, images[0])}"
            )
        if bare:
            names = join_names([path.name for path in bare])
            warnings.append(
                f"{split}: images without label file, taken as empty: {len(bare)} ({names})"
            )
        folders = {item.annotation.parent for item in group.items if item.annotation}
        labels = [path for folder in folders for path in list_files(folder, (".txt",))]
        names = [p.name for p in labels if p not in used and p.name != "classes.txt"]
        names = sorted(set(names) - {path.name for path in root.glob("*.txt")})
        if names:
            warnings.append(
                f"{split}: label files without image: {len(names)} ({join_names(names)})"
            )
    return warnings


@dataclass(frozen=True)
class YoloSet(FoundSet):
    """A YOLO set on disk."""

    has_keypoints: bool = False

    def read(self, splits: Sequence[str]) -> LoadedSet:
        """Read these splits; a row with a polygon or with keypoints gives its box."""
        warnings = list(self.warnings)
        loaded = {}
        for split in splits:
            builder = CocoBuilder(self.classes)
            polygons = 0
            for image, size, boxes in read_items(self, split, self._read_item):
                builder.add_image(
                    image.name, size, self.label(self.splits[split].images / image.name)
                )
                for label, box, source, is_polygon in boxes:
                    builder.add_box(label, box, source)
                    polygons += is_polygon
            if polygons:
                warnings.append(f"{split}: rows with a polygon, read as its box: {polygons}")
            loaded[split] = Split(self.splits[split].images, builder.content())
        return LoadedSet(self.format, self.name, self.classes, loaded, tuple(warnings))

    def _read_item(self, item: Item, image: Path) -> tuple[Item, tuple[int, int], list]:
        # Labels are relative, so the picture as it is shown counts, as Ultralytics has it.
        size = header_size(image)[1]
        if item.annotation is None:
            return item, size, []
        boxes = []
        source = self.label(item.annotation)
        text = read_text(item.annotation, "label file")
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words:
                continue
            if self.has_keypoints:
                words = words[:5]
            place = f"{item.annotation}:{number}"
            label = self._read_label(place, words[0])
            box, is_polygon = _read_box(place, words[1:])
            pixels = _to_pixels(box, size)
            boxes.append((label, pixels, f"{source}:{number}", is_polygon))
        return item, size, boxes

    def _read_label(self, place: str, word: str) -> int:
        try:
            value = float(word)
        except ValueError:
            value = -1.0
        if not value.is_integer() or not 0 <= value < len(self.classes):
            raise InputError(
                f"{place}: the class is {word[:40]!r}, it must be 0 to {len(self.classes) - 1}, "
                f"the classes of {self.settings[0].name}"
            )
        return int(value)


def _read_box(place: str, words: list[str]) -> tuple[tuple[float, float, float, float], bool]:
    """Return centre and size as fractions, and whether the row is a polygon."""
    if len(words) != 4 and (len(words) < 6 or len(words) % 2):
        raise InputError(
            f"{place}: {len(words) + 1} columns; a box has 5 ({_ROW}), a polygon the class and "
            "three or more points"
        )
    values = []
    for word in words:
        try:
            value = float(word)
        except ValueError:
            value = -1.0
        if not -_SLACK <= value <= 1 + _SLACK:  # false for NaN too
            raise InputError(
                f"{place}: the value {word[:40]!r} is not in 0 to 1; {_ROW} are fractions of the "
                "image's width and height"
            )
        values.append(value)
    if len(values) == 4:
        return tuple(values), False
    x, y = values[::2], values[1::2]
    corners = min(x), min(y), max(x), max(y)
    left, top, right, bottom = corners
    return ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), True


def _to_pixels(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    centre_x, centre_y, width, height = box
    return (
        (centre_x - width / 2) * size[0],
        (centre_y - height / 2) * size[1],
        width * size[0],
        height * size[1],
    )
