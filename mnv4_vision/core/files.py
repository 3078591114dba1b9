"""Whole or not at all: files and folders that a killed process never leaves half-written."""

import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError, WriteError

__all__ = [
    "cache_folder",
    "check_writable",
    "file_digest",
    "new_folder",
    "write_atomic",
    "write_json",
]


def write_atomic(path: str | Path, content: bytes | Callable[[Path], object]) -> None:
    """Write beside `path`, then rename: readers see the old file or the new one.

    Args:
        path: File to write; its folder is made.
        content: The bytes, or a function that writes the file it is given.

    Raises:
        WriteError: No permission, no space, a folder of that name.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if callable(content):
                content(temporary)
            else:
                temporary.write_bytes(content)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except InputError:
        raise
    except OSError as error:
        raise WriteError(path, error) from error


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON; a half-written file never has the name."""
    write_atomic(path, json.dumps(content).encode())


def check_writable(folder: str | Path) -> None:
    """Make `folder` and try to write into it.

    Raises:
        WriteError: It is a file, is read-only, or its disk is full.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise WriteError(folder, error) from error


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give a folder to fill; it becomes `path` at the end, or vanishes with an error.

    Raises:
        InputError: `path` exists and is no empty folder, or cannot be written.
    """
    path = Path(path).absolute()
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; give a new folder")
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"{path} is not empty; give a new folder or empty this one")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as workspace:
            fresh = Path(workspace) / "new"
            fresh.mkdir()  # with the user's usual permissions, unlike the workspace
            yield fresh
            os.replace(fresh, path)
    except InputError:
        raise
    except OSError as error:
        raise WriteError(path, error) from error


def cache_folder() -> Path:
    """Return where derived files are kept, a subfolder for each use.

    `MNV4_VISION_CACHE`, or `mnv4_vision` in `XDG_CACHE_HOME` or in `~/.cache`. Everything in it can
    be deleted. Downloaded weights are in the hub client's own cache.
    """
    if own := os.environ.get("MNV4_VISION_CACHE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mnv4_vision"


def file_digest(
    path: str | Path,
    algorithm: str = "sha256",
    advance: Callable[[int], object] = lambda size: None,
) -> str:
    """Return the hexadecimal digest of a file of any size.

    Args:
        path: The file.
        algorithm: A name that `hashlib` knows; against damage, not against forgery.
        advance: Called with the bytes read, for a progress bar.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            advance(len(chunk))
    return digest.hexdigest()
