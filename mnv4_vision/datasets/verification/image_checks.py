"""Checks of image files against their records: there, whole, of the recorded size, no copies.

Without decoding, an image costs the reading of its header and of its last bytes.
"""

import hashlib
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.image_files import IMAGE_SUFFIXES, header_size
from mnv4_vision.datasets.loading import has_ending, read_image
from mnv4_vision.datasets.stores import open_image
from mnv4_vision.datasets.verification.findings import Findings

__all__ = [
    "MAX_DECODED",
    "ImageFile",
    "Listing",
    "check_images",
    "examine_images",
    "find_copies",
    "in_threads",
    "list_folder",
    "read_ends",
]

Checked = TypeVar("Checked")
# Name to size in bytes and time of change in nanoseconds.
Listing = dict[str, tuple[int, int]]

# Up to so many images are decoded whole by default: a few milliseconds each, once.
MAX_DECODED = 2000
_TAIL_BYTES = 4096
_CHUNK = 64  # images a thread takes at a time
_ENDINGS = sorted(IMAGE_SUFFIXES | {suffix.upper() for suffix in IMAGE_SUFFIXES})


@dataclass(frozen=True)
class ImageFile:
    """A listed image that is there.

    Attributes:
        split: Where it is listed.
        path: The file.
        num_bytes: Its size.
        tail: Digest of its last bytes, which differ in almost any two files of equal size.
        size: `(width, height)` as it is shown; None where the header cannot be read.
        problem: Kind and words of what is wrong with it, or None.
    """

    split: str
    path: Path
    num_bytes: int
    tail: bytes
    size: tuple[int, int] | None = None
    problem: tuple[str, str] | None = None


def list_folder(folder: Path) -> Listing:
    """Return the files of a folder, none where there is no such folder.

    One listing a folder: looking up each name takes minutes for COCO on a network disk.
    """
    try:
        with os.scandir(folder) as entries:
            stats = {entry.name: entry.stat() for entry in entries if entry.is_file()}
    except (OSError, ValueError):  # ValueError: no possible file name
        return {}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def check_images(
    split: str,
    ann_file: Path,
    image_dir: Path,
    images: Sequence[dict[str, Any]],
    findings: Findings,
    listings: dict[str, Listing],
    *,
    decode: bool | None = None,
    tolerance: float | None = None,
) -> list[ImageFile]:
    """Check the files that image records name.

    Args:
        split: Name in the findings.
        ann_file: For the messages.
        image_dir: Folder that the file names are relative to.
        images: Well-formed records; `width` and `height` may be missing.
        findings: Takes what is wrong.
        listings: Takes the folders that were listed.
        decode: Decode every image; by default only where there are few.
        tolerance: Share of bad images up to which they are warnings; by default none.

    Returns:
        The files that are there.

    Raises:
        MissingFileError: The whole folder is missing.
    """
    there = _existing(ann_file, image_dir, images, listings)
    decode = len(images) <= MAX_DECODED if decode is None else decode
    for image in images:
        if image["file_name"] not in there:
            hint = _spelling(image_dir, image["file_name"], listings)
            example = f"{image_dir / image['file_name']} ({ann_file}) does not exist{hint}"
            findings.add("missing", split, len(images), example, tolerance)
    present = [image for image in images if image["file_name"] in there]
    return examine_images(
        split,
        image_dir,
        present,
        findings,
        decode=decode,
        total=len(images),
        tolerance=tolerance,
    )


def examine_images(
    split: str,
    image_dir: Path,
    images: Sequence[dict[str, Any]],
    findings: Findings,
    *,
    decode: bool,
    total: int,
    tolerance: float | None = None,
) -> list[ImageFile]:
    """Check image files that are known to be there, or records of a store.

    The arguments are those of `check_images`; `total` is what the tolerance is a share of.
    """
    jobs = [(split, image_dir, image, decode) for image in images]
    files = list(in_threads(_check_image, jobs))
    for file in files:
        if file.problem:
            kind, what = file.problem
            findings.add(kind, split, total, what, tolerance)
    return files


def find_copies(files: Iterable[ImageFile], findings: Findings) -> list[list[ImageFile]]:
    """Note files of equal content: within a split a warning, in train and val a leak.

    Returns:
        The groups of equal files.
    """
    splits: dict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        splits[file.split].append(file)
    groups = list(_equal_files([file for split in splits.values() for file in split]))
    for group in groups:
        firsts: dict[str, ImageFile] = {}
        for file in group:
            total = len(splits[file.split])
            if file.split in firsts:
                example = f"{file.path} is the same picture as {firsts[file.split].path}"
                findings.add("duplicate", file.split, total, example)
            if other := firsts.get("train" if file.split == "val" else ""):
                example = f"{file.path} (val) is the same picture as {other.path} (train)"
                findings.add("leak", "val", total, example)
            firsts.setdefault(file.split, file)
    return groups


def _existing(
    ann_file: Path,
    image_dir: Path,
    images: Sequence[dict[str, Any]],
    listings: dict[str, Listing],
) -> set[str]:
    there = set()
    for image in images:
        folder, _, name = image["file_name"].rpartition("/")
        path = os.path.join(image_dir, folder)
        if path not in listings:
            listings[path] = list_folder(Path(path))
        if name in listings[path]:
            there.add(image["file_name"])
    if not there and not image_dir.is_dir():
        raise MissingFileError(f"image folder {image_dir} of {ann_file} does not exist")
    return there


def _spelling(image_dir: Path, file_name: str, listings: dict[str, Listing]) -> str:
    """Say how a missing file's name is wrong, if that is all."""
    if "\\" in file_name:
        return "; write / for \\ in its file_name"
    folder, _, name = file_name.rpartition("/")
    for other in (os.path.splitext(name)[0] + ending for ending in _ENDINGS):
        if other in listings[os.path.join(image_dir, folder)]:
            return f"; {other} does"
    return ""


def in_threads(check: Callable[..., Checked], jobs: Sequence[tuple]) -> Iterator[Checked]:
    """Yield `check(*job)` of each job in order; decoders release Python's lock."""
    chunks = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            for files in pool.map(lambda chunk: [check(*job) for job in chunk], chunks):
                yield from files
    finally:  # Ctrl-C must not wait for a hundred thousand images
        pool.shutdown(cancel_futures=True)


def read_ends(path: Path) -> tuple[bytes, bytes, int]:
    """Return the first and the last bytes and the size in bytes of a file."""
    with open_image(path) as file:
        start = file.read(16)
        num_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(0, num_bytes - _TAIL_BYTES))
        return start, file.read(), num_bytes


def _check_image(split: str, image_dir: Path, image: dict[str, Any], decode: bool) -> ImageFile:
    path = image_dir / image["file_name"]
    recorded = (image["width"], image["height"]) if "width" in image else None
    try:
        start, tail, num_bytes = read_ends(path)
    except (OSError, InputError) as error:  # InputError: of a store
        what = f"image {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        return ImageFile(split, path, 0, b"", problem=("unreadable", what))
    sizes = _header_sizes(path)
    suspected = _suspect(sizes, recorded, has_ending(start, tail))
    problem = None
    if decode or suspected:  # the loader of the training has the last word
        try:
            read_image(str(path), recorded)
        except InputError as error:
            problem = (suspected or "unreadable", str(error))
    shown = sizes[1] if sizes else None
    return ImageFile(split, path, num_bytes, hashlib.sha1(tail).digest(), shown, problem)


def _header_sizes(path: Path) -> tuple[tuple[int, int], tuple[int, int]] | None:
    try:
        return header_size(path)
    except InputError:
        return None


def _suspect(
    sizes: tuple[tuple[int, int], ...] | None, recorded: tuple[int, int] | None, is_whole: bool
) -> str | None:
    """Return the kind of finding that header and end point to."""
    if sizes is None or not is_whole:
        return "unreadable"
    return None if recorded is None or recorded in sizes else "wrong_size"


def _equal_files(files: Iterable[ImageFile]) -> Iterator[list[ImageFile]]:
    """Yield groups of readable files with the same content; only look-alikes are read whole."""
    alike: dict[tuple[int, bytes], list[ImageFile]] = defaultdict(list)
    for file in files:
        if file.problem is None or file.problem[0] != "unreadable":
            alike[file.num_bytes, file.tail].append(file)
    for group in alike.values():
        if len(group) > 1:
            equal: dict[bytes, list[ImageFile]] = defaultdict(list)
            for file in group:
                with open_image(file.path) as content:
                    equal[hashlib.sha1(content.read()).digest()].append(file)
            yield from (same for same in equal.values() if len(same) > 1)
