"""What writes a store, by its name."""

from pathlib import Path
from typing import Protocol

from mnv4_vision.datasets.stores.lmdb_file import LmdbWriter
from mnv4_vision.datasets.stores.shards import ShardWriter

__all__ = ["FORMATS", "StoreWriter", "new_writer"]

FORMATS = {"lmdb": "LMDB", "webdataset": "WebDataset shards"}


class StoreWriter(Protocol):
    """Takes images, split after split."""

    def add(self, split: str, name: str, content: bytes, label: int) -> str:
        """Take an image; return the record's path in the folder."""

    def flush(self) -> None:
        """Write what is held in memory."""

    def close(self) -> None:
        """Finish the files."""


def new_writer(kind: str, folder: Path, shard_mb: float) -> StoreWriter:
    """Return the writer of `FORMATS[kind]`."""
    return LmdbWriter(folder) if kind == "lmdb" else ShardWriter(folder, shard_mb)
