"""The `data.yaml` of a YOLO set: class names, and where the images of each split are."""

import os
import reprlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import yaml

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.formats._text import read_text

__all__ = ["DataYaml", "find_data_yaml", "read_data_yaml"]

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_SPLIT_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class DataYaml:
    """A `data.yaml`.

    Attributes:
        path: The file.
        classes: Names in label order.
        splits: Folders of images and lists of images (`.txt`) of each split, all below the
            folder of the file.
        has_keypoints: Whether its rows are a box and keypoints, not polygons.
    """

    path: Path
    classes: tuple[str, ...]
    splits: dict[str, tuple[Path, ...]]
    has_keypoints: bool = False


def find_data_yaml(root: Path) -> Path | None:
    """Return `data.yaml` (or .yml, or `dataset.*`), or the only YAML file that has `names`."""
    for name in _NAMES:
        if (root / name).is_file():
            return root / name
    files = sorted(path for path in root.iterdir() if path.suffix in (".yaml", ".yml"))
    named = [path for path in files if path.is_file() and "names" in _load_or_nothing(path)]
    if len(named) > 1:
        names = ", ".join(path.name for path in named)
        raise InputError(f"{root} has several YAML files with names ({names}): keep one, data.yaml")
    return named[0] if named else None


def read_data_yaml(path: Path, wanted: Collection[str]) -> DataYaml:
    """Read and check a `data.yaml`, and find the `wanted` splits.

    Raises:
        InputError: With one line that names the file and the key.
    """
    content = _load(path)
    classes = _classes(path, content)
    base = _base(path, content)
    splits = {}
    for split, keys in _SPLIT_KEYS.items():
        key = next((key for key in keys if content.get(key)), None)
        if key is None or split not in wanted:
            continue
        paths = _locate_all(path, base, key, content[key])
        missing = [place for place in paths if not place.exists()]
        if not missing:
            splits[split] = paths
        elif split != "test":  # exports name a test folder even where there is none
            raise MissingFileError(f"{path}: {key} is {missing[0]}, which does not exist")
    return DataYaml(path, classes, splits, content.get("kpt_shape") is not None)


def _load_or_nothing(path: Path) -> dict[str, Any]:
    try:
        return _load(path)
    except InputError:
        return {}


def _load(path: Path) -> dict[str, Any]:
    text = read_text(path, "data file")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise InputError(f"{path}: broken YAML{place}: {problem}") from None
    except (RecursionError, ValueError, TypeError, KeyError, AttributeError) as error:
        # PyYAML's constructors: impossible dates, numbers of thousands of digits, odd tags
        raise InputError(f"{path}: broken YAML: {type(error).__name__} {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys such as names, train and val")
    return content


def _classes(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise InputError(
                f"{path}: the keys of names are {reprlib.repr(list(names))}, they must count "
                f"from 0 to {len(names) - 1}"
            )
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise InputError(
            f"{path}: names is {reprlib.repr(names)}; it must list the classes, as "
            "`names: [cat, dog]` or `0: cat`"
        )
    classes = tuple(_class_name(path, index, name) for index, name in enumerate(names))
    for index, name in enumerate(classes):
        if name in classes[:index]:
            raise InputError(f"{path}: the class {name!r} is in names twice")
    count = content.get("nc")
    if count is not None and (type(count) is not int or count != len(classes)):
        raise InputError(
            f"{path}: nc is {reprlib.repr(count)}, but names has {len(classes)} classes: "
            "correct nc or remove it"
        )
    return classes


def _class_name(path: Path, index: int, name: Any) -> str:
    if type(name) is int:  # digits as classes
        return str(name)
    if not isinstance(name, str) or not name.strip():
        raise InputError(
            f"{path}: names[{index}] is {reprlib.repr(name)}, it must be a text; YAML reads no, "
            "yes, on, off and null as other values: put quotes around it"
        )
    return name.strip()


def _base(path: Path, content: dict[str, Any]) -> Path:
    """Return what the splits are relative to: `path` below the file's folder, else that folder.

    Ultralytics would also follow `path` out of the folder; data sets are moved, and a file from
    elsewhere should not choose what is read.
    """
    root = path.parent.absolute()
    value = content.get("path")
    if value is None or value == "":
        return root
    base = _normal(root, _text(path, "path", value))
    if base.is_dir() and _is_inside(base, root):
        return base
    return root


def _locate_all(path: Path, base: Path, key: str, value: Any) -> tuple[Path, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(_locate(path, base, key, _text(path, key, item)) for item in values)


def _locate(path: Path, base: Path, key: str, text: str) -> Path:
    root = path.parent.absolute()
    # Roboflow writes ../train/images for train/images.
    candidates = [_normal(folder, t) for folder in (base, root) for t in (text, text.lstrip("./"))]
    if text.startswith("/"):
        candidates = [_normal(root, text)]
    inside = [place for place in candidates if _is_inside(place, root)]
    if PureWindowsPath(text).drive:
        inside = []
    if not inside:
        raise InputError(
            f"{path}: {key} is {text!r}, outside of {root}; it must be a folder below it "
            "(pass the folder with the images as the data root, and put the YAML file there)"
        )
    return next((place for place in inside if place.exists()), inside[0])


def _text(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(f"{path}: {key} is {reprlib.repr(value)}, it must be a path")
    return value.replace("\\", "/")


def _normal(folder: Path, text: str) -> Path:
    return Path(os.path.normpath(folder / text))  # links stay as they are, unlike with resolve()


def _is_inside(place: Path, root: Path) -> bool:
    return place.is_relative_to(os.path.normpath(root))
