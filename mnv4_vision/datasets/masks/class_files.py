"""Class names of your own data, and what the masks hold for each, from a small file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets._coco_json import read_json
from mnv4_vision.datasets.formats._text import read_text
from mnv4_vision.datasets.masks.encoding import IGNORED, MAX_CLASSES, Colour

__all__ = ["CLASS_FILES", "ClassFile", "find_class_file"]

# The last is Roboflow's, which it writes into every split's folder.
CLASS_FILES = (
    *("classes.json", "classes.txt", "class_names.txt", "labelmap.txt", "labels.txt"),
    *("class_dict.csv", "_classes.csv", "train/_classes.csv"),
)
_COLOUR_LINE = re.compile(r"(.+?)\s*[:,]\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?::.*)?")
_VALUE_LINE = re.compile(r"(\d+)\s*[\s:,;]\s*(\S.*)")
_MAX_VALUE = (1 << 16) - 1
# Names with which tools list the value 255.
_NO_CLASS = frozenset({"void", "ignore", "ignored", "unlabeled", "unlabelled", "none", "no class"})
_HOW = (
    'a list of names, or an object {"name": value or [r, g, b], ...}, or {"classes": either, '
    '"ignored": [values], "reduce_zero_label": true or false}'
)

Value = int | Colour


@dataclass(frozen=True)
class ClassFile:
    """What a class file says.

    Attributes:
        path: The file.
        names: In label order.
        values: What the masks hold for each class, if it says so.
        ignored: What the masks hold for no class, if it says so.
        reduce_zero_label: If it says so.
    """

    path: Path
    names: tuple[str, ...]
    values: tuple[Value, ...] | None = None
    ignored: tuple[Value, ...] | None = None
    reduce_zero_label: bool | None = None

    def __post_init__(self) -> None:
        """Refuse names and values of which no labels can be made."""
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise InputError(
                f"{self.path} names {len(self.names)} classes, allowed are 2 to {MAX_CLASSES}"
            )
        if len(self.names) == 1:
            raise InputError(
                f"{self.path} names one class, {self.names[0]!r}; a model needs two: name what the "
                "other pixels show, too (background)"
            )
        _refuse_double(self.path, self.names)
        if self.values is not None:
            everything = (*self.values, *(self.ignored or ()))
            _refuse_double(self.path, everything)
            if len({isinstance(value, tuple) for value in everything}) > 1:
                raise InputError(f"{self.path} mixes colours and numbers: give one of them")
            if self.reduce_zero_label is not None:
                raise InputError(self.refusal(self.reduce_zero_label))

    @property
    def in_colour(self) -> bool:
        """Whether it gives colours."""
        return self.values is not None and isinstance(self.values[0], tuple)

    def refusal(self, reduce_zero_label: bool) -> str:
        """Say that the values which the file gives leave nothing to reduce."""
        return (
            f"reduce_zero_label={reduce_zero_label} is for classes without values, but {self.path} "
            "gives their values: leave it out, and list what is no class under `ignored`"
        )


def find_class_file(root: Path) -> ClassFile | None:
    """Read the first of `CLASS_FILES` below `root`; None where there is none.

    Raises:
        InputError: It is not understood; the message names the line.
    """
    path = next((root / name for name in CLASS_FILES if (root / name).is_file()), None)
    if path is None:
        return None
    return _from_json(path) if path.suffix == ".json" else _from_text(path)


def _from_text(path: Path) -> ClassFile:
    lines = [line.strip() for line in read_text(path, "class file").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if path.suffix == ".csv" and not any(map(str.isdecimal, lines[0] if lines else "")):
        lines = lines[1:]  # "Pixel Value, Class", or "name,r,g,b"
    colours = [_COLOUR_LINE.fullmatch(line) for line in lines]
    numbers = [_VALUE_LINE.fullmatch(line) for line in lines]
    if not lines:
        raise InputError(f"{path} is empty; give one class name a line")
    if all(colours):
        values = tuple(_value(path, [int(part) for part in m.groups()[1:]]) for m in colours)
        return ClassFile(path, tuple(match[1] for match in colours), values)
    if any(colours):
        line = lines[next(i for i, match in enumerate(colours) if not match)]
        raise InputError(f"{path}: {line!r} has no colour, other lines do: write `name:r,g,b::`")
    if all(numbers):
        return ClassFile(path, *_with_values(path, [(m[2], int(m[1])) for m in numbers]))
    return ClassFile(path, tuple(line.rstrip(":").strip() for line in lines))


def _from_json(path: Path) -> ClassFile:
    content = read_json(path)
    settings: dict[str, Any] = {}
    if isinstance(content, dict) and isinstance(content.get("classes"), list | dict):
        settings = {key: value for key, value in content.items() if key != "classes"}
        content = content["classes"]
    if odd := settings.keys() - {"ignored", "reduce_zero_label"}:
        raise InputError(f"{path}: unknown key {sorted(odd)[0]!r}; a class file is {_HOW}")
    names, values = _names_and_values(path, content)
    reduce_zero_label = settings.get("reduce_zero_label")
    if reduce_zero_label is not None and not isinstance(reduce_zero_label, bool):
        raise InputError(f"{path}: reduce_zero_label is {reduce_zero_label!r}, not true or false")
    ignored = settings.get("ignored")
    if ignored is not None:
        if not isinstance(ignored, list):
            raise InputError(f"{path}: ignored is {ignored!r}, not a list of values")
        ignored = tuple(_value(path, value) for value in ignored)
    return ClassFile(path, names, values, ignored, reduce_zero_label)


def _names_and_values(path: Path, content: Any) -> tuple[tuple[str, ...], tuple[Value, ...] | None]:
    if isinstance(content, dict) and content:
        pairs = list(content.items())
        if all(key.isdecimal() and isinstance(name, str) for key, name in pairs):
            pairs = [(name, int(key)) for key, name in pairs]  # {"0": "name"}
        return _with_values(path, pairs)
    if isinstance(content, list) and content and all(isinstance(n, str) for n in content):
        return tuple(content), None
    raise InputError(f"{path}: a class file is {_HOW}")


def _with_values(
    path: Path, pairs: Sequence[tuple[str, Any]]
) -> tuple[tuple[str, ...], tuple[Value, ...]]:
    """Return names and values, without a 255 that is named as no class."""
    kept = [
        (name, _value(path, value))
        for name, value in pairs
        if value != IGNORED or name.casefold().strip("_") not in _NO_CLASS
    ]
    return tuple(name for name, _ in kept), tuple(value for _, value in kept)


def _value(path: Path, value: Any) -> Value:
    """Return a value of mask files, checked."""
    colour = isinstance(value, list) and len(value) == 3
    parts, limit = (value, 255) if colour else ([value], _MAX_VALUE)
    if not all(type(part) is int and 0 <= part <= limit for part in parts):
        raise InputError(
            f"{path}: {value!r} is no value of a mask: give a number from 0 to {_MAX_VALUE} or "
            "a colour of three numbers from 0 to 255"
        )
    return tuple(parts) if colour else value


def _refuse_double(path: Path, items: Sequence[Any]) -> None:
    seen = set()
    for item in items:
        if item in seen:
            raise InputError(f"{path}: {item!r} is listed twice")
        seen.add(item)
