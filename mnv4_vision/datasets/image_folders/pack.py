"""Packs a classification set into one file or a few: millions of small ones are slow to open."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import new_folder
from mnv4_vision.datasets.image_folders.data import LabelledImage, LabelledImages
from mnv4_vision.datasets.image_folders.find import find_images
from mnv4_vision.datasets.image_folders.store import write_index
from mnv4_vision.datasets.loading import read_image, read_whole
from mnv4_vision.datasets.stores import FORMATS, is_record, new_writer, record_name
from mnv4_vision.datasets.verification.image_checks import in_threads

__all__ = ["pack_images"]

_CHUNK = 256  # images in memory at a time
_JPEG_QUALITY = 95


def pack_images(
    root: Path | str,
    out: Path | str,
    kind: str,
    *,
    shard_mb: float = 1000.0,
    max_side_px: int | None = None,
) -> LabelledImages:
    """Write the images of a set into `out`, which `find_images` reads with the same order.

    The bytes of the files stay, except of images that `max_side_px` makes smaller.

    Args:
        root: The set, in any layout that `find_images` knows.
        out: New folder; it appears whole or not at all.
        kind: Key of `FORMATS`.
        shard_mb: About how large a tar file gets, in MB.
        max_side_px: Longest side of what is written.

    Raises:
        InputError: An image is truncated or missing, or `out` is not empty.
    """
    if kind not in FORMATS:
        raise InputError(f"kind={kind!r}, allowed are {', '.join(FORMATS)}")
    if shard_mb <= 0:
        raise InputError(f"--shard-size {shard_mb}: it takes MB above 0")
    if max_side_px is not None and max_side_px < 1:
        raise InputError(f"--max-side {max_side_px}: it takes pixels above 0")
    data = find_images(root, need=())
    with new_folder(out) as folder:
        writer = new_writer(kind, folder, shard_mb)
        splits = {}
        try:
            for split, images in data.splits.items():
                records = []
                for chunk in _read(images, max_side_px):
                    for image, content in chunk:
                        name = _name(image.path, data.root)
                        records.append(writer.add(split, name, content, image.label))
                    writer.flush()
                splits[split] = (records, [image.label for image in images])
        finally:
            writer.close()
        write_index(folder, kind, data.classes, splits)
    return replace(find_images(out, need=()), warnings=data.warnings)


def _read(
    images: tuple[LabelledImage, ...], max_side_px: int | None
) -> Iterator[list[tuple[LabelledImage, bytes]]]:
    """Yield images with the bytes to write, some at a time."""
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        contents = in_threads(_content, [(image.path, max_side_px) for image in chunk])
        yield list(zip(chunk, contents, strict=True))


def _content(path: str, max_side_px: int | None) -> bytes:
    if max_side_px is not None:
        image = read_image(path)
        height, width = image.shape[:2]
        ratio = max_side_px / max(height, width)
        if ratio < 1:
            size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            flags = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            return cv2.imencode(os.path.splitext(path)[1], image, flags)[1].tobytes()
    return read_whole(path, "image")


def _name(path: str, root: Path) -> str:
    """Return the path below the set's folder."""
    if is_record(path):
        return record_name(path)
    return Path(os.path.relpath(path, root)).as_posix()
