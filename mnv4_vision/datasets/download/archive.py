"""Unpack zip and tar archives from the internet: nothing lands outside the folder, ever.

Only plain files and folders with relative names are written, one by one, so that links, devices,
owners and permission bits of the archive count for nothing (CVE-2007-4559 and its relatives).
"""

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from mnv4_vision.core.errors import InputError

__all__ = ["free_bytes", "unpack", "unpack_nested_tar"]

_CHUNK = 1 << 20
# Unpacked bytes a packed byte may stand for: JSON reaches about 10, a zip bomb 1000 and more.
_MAX_RATIO = 50


class _Member(NamedTuple):
    name: str
    size: int
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path, folder: Path, advance: Callable[[int], object] = lambda size: None
) -> int:
    """Unpack a `.zip`, `.tar` or `.tar.gz` below `folder`, which should be a fresh one.

    Args:
        archive: The file.
        folder: Made where it does not exist.
        advance: Called with the bytes written, for a progress bar.

    Returns:
        The number of files.

    Raises:
        InputError: The archive is damaged, or has a member that leads out of `folder`, is a link
            or a device, or occurs twice; or unpacks to far more than data do; or the disk is full.
    """
    with _explained(archive, folder):
        limit = archive.stat().st_size * _MAX_RATIO
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as content:
                return _write_all(_zip_members(content), archive, folder, advance, limit)
        with tarfile.open(archive) as content:
            count = _write_all(_tar_members(content), archive, folder, advance, limit)
            while content.fileobj.read(_CHUNK):  # to the checksum at the end of a .gz
                pass
            return count


def unpack_nested_tar(
    archive: Path, folder: Path, advance: Callable[[int], object] = lambda size: None
) -> int:
    """Unpack a tar of tars (ImageNet's training set), each into a folder of its name.

    Raises:
        InputError: As `unpack` does.
    """
    count = 0
    with _explained(archive, folder), tarfile.open(archive, "r:") as outer:
        for member in _tar_members(outer):
            _check(member, archive)
            with member.open() as file, tarfile.open(fileobj=file, mode="r:") as inner:
                below = folder / PurePosixPath(member.name).stem
                count += _write_all(_tar_members(inner), archive, below, advance, member.size)
    return count


@contextmanager
def _explained(archive: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a damaged archive can fail in any way
        if isinstance(error, OSError) and error.errno is not None:
            problem = f"{archive}: cannot unpack to {folder}: {error.strerror}"
        else:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            problem = f"{archive} is damaged ({reason}): delete it and fetch it again"
        raise InputError(problem) from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        kind = info.external_attr >> 28  # the file type bits of a Unix mode; 0 where none is stored
        yield _Member(
            info.filename,
            info.file_size,
            info.is_dir(),
            kind in (0, 0o10),
            lambda info=info: archive.open(info),
        )


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        yield _Member(
            info.name,
            info.size,
            info.isdir(),
            info.isreg(),
            lambda info=info: archive.extractfile(info),
        )


def _write_all(
    members: Iterator[_Member],
    archive: Path,
    folder: Path,
    advance: Callable[[int], object],
    limit: int,
) -> int:
    limit = min(limit, free_bytes(folder))
    folder.mkdir(parents=True, exist_ok=True)
    total = count = 0
    for member in members:
        path = folder / _check(member, archive)
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        total += member.size
        if total > limit:
            raise InputError(
                f"{archive} unpacks to more than {limit / 1e6:,.1f} MB: it is no data set, or the "
                "disk is too small"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(member, path, archive)
        advance(member.size)
        count += 1
    return count


def _check(member: _Member, archive: Path) -> PurePosixPath:
    """Return the relative path of a member; raise for one that has no business in a data set."""
    name = member.name
    path = PurePosixPath(name)
    parts_ok = ".." not in path.parts and path.parts and not path.is_absolute()
    if not parts_ok or "\\" in name or ":" in name or not name.isprintable():
        raise InputError(f"{archive}: refused, its member {name!r} leads out of the folder")
    if not (member.is_folder or member.is_file):
        raise InputError(f"{archive}: refused, its member {name!r} is a link or a device")
    return path


def _copy(member: _Member, path: Path, archive: Path) -> None:
    # "x": a member that occurs twice, also where the file system folds case, is an error.
    try:
        with member.open() as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    except FileExistsError:
        raise InputError(f"{archive}: refused, its member {member.name!r} occurs twice") from None
    if path.stat().st_size != member.size:
        raise InputError(
            f"{archive} is damaged ({member.name} is cut short): delete it and fetch it again"
        )


def free_bytes(folder: Path) -> int:
    """Return the free space on the disk that `folder`, existing or not, is on."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(nearest).free
