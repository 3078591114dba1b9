"""Records: images inside a store, whose paths `STORE#NAME` are read wherever files' are.

`DIR/images.lmdb#train/cat/a.jpg` is the value of a key; `DIR/train-000000.tar#512+204/train/a.jpg`
says where the bytes begin and how many there are, so that no process keeps an index.
"""

import io
import re
from pathlib import Path
from typing import BinaryIO

from mnv4_vision.datasets.stores import lmdb_file, shards

__all__ = ["is_record", "open_image", "read_record", "record_name"]

_RECORD = re.compile(r"(.+?\.(tar|lmdb))#(.+)", re.DOTALL)


def is_record(path: str) -> bool:
    """Whether a path names a record rather than a file."""
    return "#" in path and _RECORD.fullmatch(path) is not None


def record_name(path: str) -> str:
    """Return the name that the image of a record had in the set it was packed from."""
    _, kind, name = _RECORD.fullmatch(path).groups()
    return shards.place_in_shard(name)[2] if kind == "tar" else name


def read_record(path: str) -> bytes:
    """Return the image file that a record holds. Stores stay open, in each process by itself.

    Raises:
        OSError: The store cannot be opened.
        InputError: The store is damaged, or has no such record.
    """
    store, kind, name = _RECORD.fullmatch(path).groups()
    return (shards if kind == "tar" else lmdb_file).read(store, name)


def open_image(path: str | Path) -> BinaryIO:
    """Open an image file, or a record as one."""
    if is_record(str(path)):
        return io.BytesIO(read_record(str(path)))
    return open(path, "rb")
