"""One LMDB file: the image's name is the key, its file the value."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from mnv4_vision.core.errors import InputError

if TYPE_CHECKING:
    from lmdb import Environment

__all__ = ["NAME", "LmdbWriter", "read"]

NAME = "images.lmdb"
_FIRST_SIZE = 1 << 26  # of the memory map; it doubles when it is full
_LONGEST_KEY = 511

_environments: dict[str, "Environment"] = {}
_opening = Lock()


def _close_all() -> None:
    """Close what is open: LMDB's handles must not go through a fork, to loader workers."""
    with _opening:
        for environment in _environments.values():
            environment.close()
        _environments.clear()


os.register_at_fork(before=_close_all)


def import_lmdb() -> ModuleType:
    """Return the module.

    Raises:
        InputError: It is not installed.
    """
    try:
        import lmdb
    except ImportError as error:
        raise InputError(
            f"LMDB stores take lmdb ({error}): pip install 'mnv4_vision[lmdb]'"
        ) from error
    return lmdb


def read(path: str, name: str) -> bytes:
    """Return the value of a key.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no LMDB file, or lacks the key.
    """
    lmdb = import_lmdb()
    try:
        with _environment(path).begin() as transaction:
            content = transaction.get(_key(name))
    except lmdb.Error as error:
        if not os.path.exists(path):
            raise FileNotFoundError(path) from error
        raise InputError(f"{path} is no whole LMDB file ({error}): pack the set again") from error
    if content is None:
        raise InputError(f"{path} has no record {name}: pack the set again")
    return content


def _environment(path: str) -> "Environment":
    """Return the one handle of a file, opened where it is not."""
    with _opening:  # threads verify, and LMDB refuses to open a file twice
        if path not in _environments:
            _environments[path] = import_lmdb().open(
                path, subdir=False, readonly=True, lock=False, readahead=False
            )
        return _environments[path]


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


class LmdbWriter:
    """Writes `images.lmdb`.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._lmdb = import_lmdb()
        with _written():
            self._file = self._lmdb.open(
                str(folder / NAME), subdir=False, map_size=_FIRST_SIZE, lock=False, sync=False
            )
        self._waiting: list[tuple[bytes, bytes]] = []

    def add(self, split: str, name: str, content: bytes, label: int) -> str:
        """Take an image; return the record's path in the folder."""
        key = _key(name)
        if len(key) > _LONGEST_KEY:
            raise InputError(f"LMDB takes names of up to {_LONGEST_KEY} bytes: rename {name}")
        self._waiting.append((key, content))
        return f"{NAME}#{name}"

    def flush(self) -> None:
        """Write what was taken, in one transaction."""
        while self._waiting:
            with _written():
                try:
                    with self._file.begin(write=True) as transaction:
                        transaction.cursor().putmulti(self._waiting)
                    self._waiting.clear()
                except self._lmdb.MapFullError:
                    self._file.set_mapsize(2 * self._file.info()["map_size"])

    def close(self) -> None:
        """Finish the file."""
        with _written():
            self._file.sync(True)
            self._file.close()


@contextmanager
def _written() -> Iterator[None]:
    """Say in one line what LMDB refuses: a full disk, a file system without memory maps."""
    try:
        yield
    except import_lmdb().Error as error:
        raise InputError(f"cannot write {NAME}: {error}") from error
