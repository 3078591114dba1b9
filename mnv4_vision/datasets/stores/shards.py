"""Tar shards that WebDataset reads, too: `00000012.jpg` and `00000012.cls`, the class's number."""

import io
import os
import tarfile
from functools import lru_cache
from pathlib import Path

from mnv4_vision.core.errors import InputError

__all__ = ["ShardWriter", "place_in_shard", "read"]

_OPEN_SHARDS = 64  # each a file descriptor, of which macOS allows a process 256
_BLOCK = tarfile.BLOCKSIZE
_MB = 1 << 20


class _Descriptor:
    """A file descriptor that is closed when nobody reads from it any more."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self, close=os.close) -> None:
        close(self.number)


@lru_cache(_OPEN_SHARDS)
def _open(path: str) -> _Descriptor:
    return _Descriptor(os.open(path, os.O_RDONLY))


def place_in_shard(name: str) -> tuple[int, int, str]:
    """Return offset and length in bytes of a record, and its name."""
    offset, length, name = name.replace("+", "/", 1).split("/", 2)
    return int(offset), int(length), name


def read(path: str, name: str) -> bytes:
    """Return the bytes of record `OFFSET+LENGTH/NAME`; its tar header must agree.

    `pread` has no position to share, so threads and forked workers may use one descriptor.

    Raises:
        OSError: There is no such shard.
        InputError: The shard is cut off, or was replaced since its index was read.
    """
    offset, length, name = place_in_shard(name)
    shard = _open(path)  # held until the end: the cache may close others meanwhile
    content = os.pread(shard.number, _BLOCK + length, offset - _BLOCK)
    if len(content) != _BLOCK + length or not _is_header(content[:_BLOCK], length):
        raise InputError(f"{path} is damaged, {name} is not at byte {offset}: pack the set again")
    return content[_BLOCK:]


def _is_header(block: bytes, length: int) -> bool:
    """Compare magic and size; `tarfile` takes longer for it than the read."""
    return block[257:262] == b"ustar" and block[124:135] == b"%011o" % length


class ShardWriter:
    """Writes `train-000000.tar`, `train-000001.tar`, ... each of about `shard_mb`.

    Args:
        folder: Where to.
        shard_mb: A shard that is so large is not added to.
    """

    def __init__(self, folder: Path, shard_mb: float) -> None:
        self.folder, self.shard_bytes = folder, shard_mb * _MB
        self._tar: tarfile.TarFile | None = None
        self._split, self._shard, self._number = "", 0, 0

    def add(self, split: str, name: str, content: bytes, label: int) -> str:
        """Append an image; return the record's path in the folder."""
        tar = self._tar_of(split)
        key = f"{self._number:08d}"
        self._number += 1
        offset = tar.offset + _BLOCK
        suffix = os.path.splitext(name)[1].lower()
        _append(tar, f"{key}{'.jpg' if suffix == '.jpeg' else suffix}", content)
        _append(tar, f"{key}.cls", str(label).encode())
        return f"{Path(tar.name).name}#{offset}+{len(content)}/{name}"

    def flush(self) -> None:
        """Do nothing: tar files are written as they come."""

    def close(self) -> None:
        """Finish the last shard."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def _tar_of(self, split: str) -> tarfile.TarFile:
        if self._tar is not None and split == self._split and self._tar.offset < self.shard_bytes:
            return self._tar
        self.close()
        if split != self._split:
            self._split, self._shard, self._number = split, 0, 0
        path = self.folder / f"{split}-{self._shard:06d}.tar"
        self._shard += 1
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        return self._tar


def _append(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # of the year 1970: equal sets give equal shards
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
