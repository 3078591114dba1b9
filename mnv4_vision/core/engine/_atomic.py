"""Whole or not at all: files that a killed process never leaves half-written."""

import os
from pathlib import Path

__all__ = ["write_atomic"]


def write_atomic(path: str | Path, content: bytes) -> None:
    """Write `content` beside `path`, then rename it; readers see the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
