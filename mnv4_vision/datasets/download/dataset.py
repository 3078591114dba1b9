"""Fetch a public data set into the layout that the configs and `--data-root` expect."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.datasets.download.archive import free_bytes
from mnv4_vision.datasets.download.byte_progress import byte_progress
from mnv4_vision.datasets.download.sources import SOURCES, Archive, Source
from mnv4_vision.datasets.download.transfer import check_digest, fetch, received_bytes

__all__ = ["download_dataset"]


def download_dataset(
    name: str,
    out: str | Path | None = None,
    *,
    split: str | None = None,
    keep_archives: bool = False,
) -> Path:
    """Download, check and unpack a data set; what is there already is left alone.

    Archives that lie in `out` are used instead of the network and never deleted. For a licensed
    set they are the only way.

    Args:
        name: `"coco"`, `"ade20k"` or `"imagenet"`.
        out: Folder; default `data/<name>`.
        split: `"train"` or `"val"`: only what that split needs. Default: both.
        keep_archives: Do not delete what was downloaded once it is unpacked.

    Returns:
        The folder.

    Raises:
        InputError: Licensed archives are missing (the message says how to get them), no network,
            a wrong checksum, too little disk, a damaged or malicious archive.
    """
    if name not in SOURCES:
        raise InputError(
            f"no data set {name!r}{did_you_mean(name, SOURCES)}; known: {', '.join(SOURCES)}"
        )
    source, out = SOURCES[name], Path(out or Path("data") / name)
    wanted = [a for a in source.archives if split is None or split in a.splits]
    todo = [archive for archive in wanted if not _is_there(archive, out)]
    if not todo:
        print(f"{source.title} is in {out} already")
        return out
    print(f"{source.title}: {source.terms} ({source.page})")
    _check_licensed(source, todo, out)
    _check_disk(todo, out, keep_archives)
    for archive in todo:
        _bring(archive, out, keep_archives)
    print(f"{source.title} is in {out}")
    return out


def _is_there(archive: Archive, out: Path) -> bool:
    """Whether what the archive unpacks to is in `out`; raises where only a part of it is."""
    top = _tops(archive)
    if not any((out / name).exists() for name in top):
        return False
    if lack := _lack(archive, out):
        raise InputError(
            f"{out / top[0]} is there, but {lack}: move it away and run again, or complete it "
            f"from {archive.filename}"
        )
    return True


def _tops(archive: Archive) -> list[str]:
    return sorted({Path(path).parts[0] for path in archive.holds})


def _lack(archive: Archive, folder: Path) -> str:
    """What is missing of the archive's content below `folder`, in words, or an empty text."""
    for path, count in archive.holds.items():
        place = folder / path
        if not place.exists():
            return f"{path} is missing"
        if count > 1 and (found := len(os.listdir(place))) < count:
            return f"{path} has {found} of {count} entries"
    return ""


def _check_licensed(source: Source, todo: Sequence[Archive], out: Path) -> None:
    """Print how to get archives that only their owner may hand out, and stop."""
    missing = [a for a in todo if a.url is None and not (out / a.filename).is_file()]
    if not missing:
        return
    for number, step in enumerate(source.steps, start=1):
        print(f"{number}. {step}")
    print(f"{len(source.steps) + 1}. Put these files into {out.absolute()} and run this again:")
    for archive in missing:
        print(f"   {archive.filename}  {archive.size_gb:g} GB, {archive.checksum}")
    files = ", ".join(archive.filename for archive in missing)
    raise InputError(
        f"{source.title} is not ours to hand out: get {files} at {source.page} and put them into "
        f"{out.absolute()}"
    )


def _check_disk(todo: Sequence[Archive], out: Path, keep_archives: bool) -> None:
    used = peak = 0.0
    for archive in todo:
        file = out / archive.filename
        fetched = 0.0 if file.is_file() else archive.size_gb
        arrived = received_bytes(file) / 1e9  # of an interrupted download
        peak = max(peak, used + fetched - arrived + archive.unpacked_gb)
        used += archive.unpacked_gb + keep_archives * fetched
    free = free_bytes(out) / 1e9
    if free < peak:
        raise InputError(
            f"{out.absolute()}: {peak:.1f} GB are needed to download and unpack, {free:.1f} GB are "
            "free: free space, or choose another disk with --out"
        )


def _bring(archive: Archive, out: Path, keep_archives: bool) -> None:
    file = out / archive.filename
    downloaded = not file.is_file()
    if downloaded:
        print(f"downloading {archive.url} ({archive.size_gb:g} GB)", flush=True)
        fetch(archive.url, file, archive.checksum)
    else:
        try:
            check_digest(file, archive.checksum)
        except InputError as error:
            raise InputError(f"{error}; delete it and run again") from None
    _unpack(archive, file, out)
    if downloaded and not keep_archives:
        file.unlink()
    else:
        print(f"{file} is no longer needed")


def _unpack(archive: Archive, file: Path, out: Path) -> None:
    """Unpack in a folder of its own and move in place what the table names: all or nothing."""
    workspace = out / f".unpack-{archive.filename}"
    shutil.rmtree(workspace, ignore_errors=True)  # of a killed run
    try:
        with byte_progress(f"unpack {file.name}", round(archive.unpacked_gb * 1e9)) as advance:
            archive.unpack(file, workspace, advance)
        if lack := _lack(archive, workspace):
            raise InputError(f"{file} is not what was expected: {lack}")
        for name in _tops(archive):
            os.replace(workspace / name, out / name)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
