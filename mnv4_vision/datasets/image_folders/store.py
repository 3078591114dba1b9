"""A packed set: `store.json` with classes and file sizes, `train.json` with records and labels.

The order of the records is that of the images packed.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.image_folders.data import LabelledImage, LabelledImages
from mnv4_vision.datasets.stores import FORMATS

__all__ = ["STORE", "find_store", "write_index"]

STORE = "store.json"
_VERSION = 1


def write_index(
    folder: Path,
    kind: str,
    classes: Sequence[str],
    splits: Mapping[str, tuple[Sequence[str], Sequence[int]]],
) -> None:
    """Write the index of finished stores.

    Args:
        folder: Where the stores are.
        kind: Key of `FORMATS`.
        classes: Names in label order.
        splits: Records and labels of each split.
    """
    for split, (records, labels) in splits.items():
        content = {"records": list(records), "labels": list(labels)}
        (folder / f"{split}.json").write_text(json.dumps(content))
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    content = {
        "version": _VERSION,
        "format": kind,
        "classes": list(classes),
        "splits": list(splits),
        "files": files,
    }
    (folder / STORE).write_text(json.dumps(content, indent=1))


def find_store(root: Path, only: Sequence[str] | None = None) -> LabelledImages:
    """Return the images of a packed set.

    Args:
        root: Folder with `store.json`.
        only: Splits to list; by default all.

    Raises:
        MissingFileError: A file of the store is missing.
        InputError: The store is damaged, or of another version.
    """
    content = _read_json(root / STORE)
    try:
        if content["version"] != _VERSION:
            raise InputError(
                f"{root / STORE} has version {content['version']!r}, this release reads {_VERSION}"
            )
        name = f"images packed as {FORMATS[content['format']]}"
        classes = tuple(map(str, content["classes"]))
        _check_sizes(root, content["files"])
        splits = {
            split: _images(root, split, len(classes))
            for split in content["splits"]
            if only is None or split in only
        }
    except (KeyError, TypeError, AttributeError):  # whatever JSON of another shape makes fail
        raise InputError(f"{root / STORE} is damaged: pack the set again") from None
    return LabelledImages(root, name, classes, splits)


def _images(root: Path, split: str, num_classes: int) -> tuple[LabelledImage, ...]:
    content = _read_json(root / f"{split}.json")
    folder = f"{root}{os.sep}"
    pairs = zip(content["records"], content["labels"], strict=True)
    try:
        images = tuple(LabelledImage(folder + record, label) for record, label in pairs)
    except ValueError:  # lists of unequal length
        raise KeyError(split) from None
    if any(not 0 <= image.label < num_classes for image in images):
        raise KeyError(split)
    return images


def _check_sizes(root: Path, files: Mapping[str, int]) -> None:
    """Raise for files that are not as they were packed: LMDB would crash reading a cut one."""
    for name, size in files.items():
        try:
            found = os.path.getsize(root / name)
        except OSError:
            raise MissingFileError(f"{root / name}, a file of the store, is missing") from None
        if found != size:
            raise InputError(
                f"{root / name} has {found} bytes, {STORE} says {size}: pack the set again"
            )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingFileError(f"{path}, a file of the store, is missing") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): pack the set again") from None
