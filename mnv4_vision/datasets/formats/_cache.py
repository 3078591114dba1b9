"""VOC and YOLO sets as COCO JSON in the cache, one folder for each content.

Several processes may convert at once: each file is written whole, `set.json` last.
"""

import hashlib
import json
import os
from pathlib import Path

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import cache_folder, write_atomic
from mnv4_vision.datasets.formats.splits import FoundSet

__all__ = ["convert_cached"]

_CONVERSION_VERSION = 2  # raise it with every change of code that alters the converted files
_SPLITS = ("train", "val")


def convert_cached(found: FoundSet) -> tuple[Path, tuple[str, ...], tuple[str, ...]]:
    """Convert train and val, where that was not done before.

    Returns:
        The folder of `train.json` and `val.json`, the classes in label order, the warnings.

    Raises:
        InputError: A file of the set is wrong, or the cache cannot be written.
    """
    folder = cache_folder() / "converted" / _digest(found)
    try:
        summary = json.loads((folder / "set.json").read_bytes())
    except (OSError, ValueError):
        summary = _convert(found, folder)
    return folder, tuple(summary["classes"]), tuple(summary["warnings"])


def _convert(found: FoundSet, folder: Path) -> dict[str, list[str]]:
    loaded = found.read([split for split in _SPLITS if split in found.splits])
    summary = {"classes": list(loaded.classes), "warnings": list(loaded.warnings)}
    try:
        for split, data in loaded.splits.items():
            write_atomic(folder / f"{split}.json", json.dumps(data.content).encode())
        write_atomic(folder / "set.json", json.dumps(summary).encode())
    except OSError as error:
        raise InputError(
            f"cannot write the converted annotations to {folder}: {error.strerror or error}; set "
            "MNV4_VISION_CACHE to a folder that can be written"
        ) from None
    return summary


def _digest(found: FoundSet) -> str:
    """Hash the annotation files, and which images there are: sizes come from their headers."""
    digest = hashlib.sha256(f"{_CONVERSION_VERSION} {found.format} {found.name}".encode())
    for path in found.settings:
        _add(digest, found.label(path), _content(path))
    for split in _SPLITS:
        if split not in found.splits:
            continue
        files = found.splits[split]
        _add(digest, split, os.fsencode(found.label(files.images)))
        for item in files.items:
            state = _state(files.images / item.name)
            _add(digest, f"{item.name} {state}", _content(item.annotation))
    return digest.hexdigest()[:32]


def _add(digest, name: str, content: bytes) -> None:
    digest.update(f"{len(name)} {name} {len(content)} ".encode("utf-8", "surrogateescape"))
    digest.update(content)


def _content(path: Path | None) -> bytes:
    try:
        return b"" if path is None else path.read_bytes()
    except OSError:  # reading the set says what is wrong
        return b""


def _state(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return "-"
    return f"{state.st_size} {state.st_mtime_ns}"
