"""COCO annotation files as JSON: one clear line for whatever is wrong with the file itself."""

import json
import mmap
import re
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError, MissingFileError

__all__ = [
    "class_names",
    "first_file_name",
    "is_id",
    "read_categories",
    "read_coco_json",
    "read_json",
]

SECTIONS = ("images", "annotations", "categories")
_CATEGORIES_KEY = re.compile(rb'"categories"\s*:\s*\[')
_CATEGORIES_BYTES = 1 << 20  # room for several thousand categories
_FILE_NAME_KEY = re.compile(rb'"file_name"\s*:\s*(?=")')
_FILE_NAME_BYTES = 1 << 14


def read_coco_json(path: Path | str) -> dict[str, Any]:
    """Read a COCO annotation file and check that its three sections hold records.

    Raises:
        MissingFileError: There is no such file.
        InputError: The file is empty, is not JSON, or lacks a section; the message says where.
    """
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: a COCO file is an object with images, annotations and categories, "
            f"this one is a {_json_type(content)}"
        )
    for section in SECTIONS:
        _check_section(path, content, section)
    return content


def read_categories(path: Path | str) -> list[dict[str, Any]]:
    """Read only the categories; COCO's training file (450 MB) answers in under a second."""
    path = Path(path)
    categories = _scan_categories(path)
    if categories is None:
        categories = read_coco_json(path)["categories"]
    return categories


def class_names(path: Path | str, categories: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the class names in the order of the file, as mmdet numbers its labels.

    mmdet's `CocoDataset` gives label `i` to the i-th category of the file, whatever its id, so
    sorting the names by id would mislabel every file that is not sorted.

    Raises:
        InputError: A category has no name or id, or one that another has too.
    """
    for key in ("id", "name"):
        seen = set()
        for position, category in enumerate(categories):
            value = category.get(key)
            if not (is_id(value) if key == "id" else isinstance(value, str)):
                wanted = "a whole number, 0 or above" if key == "id" else "a text"
                raise InputError(
                    f"{path}: categories[{position}] has no valid {key!r}, {wanted}: {value!r}"
                )
            if value in seen:
                raise InputError(
                    f"{path}: two categories have the {key} {value!r}: delete the one without "
                    "annotations (Roboflow adds one with the id 0), or rename it"
                )
            seen.add(value)
    return tuple(category["name"] for category in categories)


def first_file_name(path: Path) -> str | None:
    """Return the first file name in the file without parsing it, or None."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            match = _FILE_NAME_KEY.search(data)
            if match is None:
                return None
            text = data[match.end() : match.end() + _FILE_NAME_BYTES].decode("utf-8", "ignore")
        return json.JSONDecoder().raw_decode(text)[0]
    except (OSError, ValueError):  # as for the categories
        return None


def is_id(value: Any) -> bool:
    """Whether `value` can be the id of a record: a whole number, 0 or above."""
    return type(value) is int and value >= 0


def read_json(path: Path | str, what: str = "annotation file") -> Any:
    """Load a JSON file; `what` names its role in the error line.

    Raises:
        MissingFileError: There is no such file.
        InputError: The file is empty or not JSON; the message says where.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingFileError(f"{what} {path} does not exist") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not text.strip():
        raise InputError(f"{path}: the {what} is empty")
    if text.startswith("\ufeff"):  # the COCO API refuses it, too
        raise InputError(f"{path}: starts with a byte order mark: save it as UTF-8 without one")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: broken JSON at line {error.lineno} column {error.colno}: {error.msg}"
        ) from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path}: broken JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: JSON nested too deeply") from None


def _check_section(path: Path, content: dict[str, Any], section: str) -> None:
    records = content.get(section)
    if records is None:
        raise InputError(
            f"{path}: no {section!r}; a COCO file has {', '.join(SECTIONS)}, "
            f"this one has {', '.join(map(repr, content)) or 'nothing'}"
        )
    if not isinstance(records, list):
        raise InputError(f"{path}: {section!r} is a {_json_type(records)}, it must be a list")
    if not records:
        raise InputError(f"{path}: {section!r} is empty, there is nothing to learn or evaluate")
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise InputError(f"{path}: {section}[{position}] is a {_json_type(record)}, no object")


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _scan_categories(path: Path) -> list[dict[str, Any]] | None:
    """Find the categories without parsing the file; None where that is not certain to be right."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            matches = [match.end() for match in _CATEGORIES_KEY.finditer(data)]
            if len(matches) != 1:
                return None
            start = matches[0] - 1
            text = data[start : start + _CATEGORIES_BYTES].decode("utf-8", errors="ignore")
        categories, _ = json.JSONDecoder().raw_decode(text)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped, or no JSON
        return None
    is_table = categories and all(isinstance(c, dict) and "name" in c for c in categories)
    return categories if is_table else None
