"""Whole or not at all: files that a killed process never leaves half-written."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

__all__ = ["write_atomic"]


def write_atomic(path: str | Path, content: bytes | Callable[[Path], object]) -> None:
    """Write beside `path`, then rename: readers see the old file or the new one.

    Args:
        path: File to write; its folder is made.
        content: The bytes, or a function that writes the file it is given.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
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
