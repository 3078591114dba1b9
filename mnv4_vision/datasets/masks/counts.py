"""How many pixels of each class every mask of a set has: read once, then kept in the cache."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import cache_folder, write_atomic
from mnv4_vision.datasets.masks.encoding import MaskEncoding
from mnv4_vision.datasets.masks.reading import read_mask

__all__ = ["count_pixels"]

_VERSION = 1  # raise it with every change of code that alters the counts
_THREADS = 4  # decoding releases the interpreter's lock
_SLOW = 2000  # masks that take long enough for a word


def count_pixels(masks: Sequence[Path | str], encoding: MaskEncoding) -> np.ndarray:
    """Count the pixels of each class in each mask.

    Args:
        masks: Mask files.
        encoding: What their values mean.

    Returns:
        `(N, C + 1)` int64: pixels of each class, and in the last column those without class.

    Raises:
        MissingFileError: A mask is not there.
        InputError: A mask is damaged, or has a value that is no class.
    """
    file = cache_folder() / "pixel_counts" / f"{_digest(masks, encoding)}.npy"
    try:
        return np.load(file)
    except (OSError, ValueError):
        pass
    if len(masks) >= _SLOW:
        print(f"counting the pixels of {len(masks)} masks, once", flush=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        counts = np.stack(list(pool.map(lambda path: _count(path, encoding), masks)))
    _keep(file, counts)
    return counts


def _count(path: Path | str, encoding: MaskEncoding) -> np.ndarray:
    try:
        labels = encoding.labels(read_mask(path, in_colour=encoding.in_colour))
    except InputError as error:
        raise InputError(
            str(error) if str(path) in str(error) else f"mask {path} {error}"
        ) from None
    counts = np.bincount(labels.ravel(), minlength=256)
    num_classes = len(encoding.values)
    return np.append(counts[:num_classes], counts[num_classes:].sum())


def _keep(file: Path, counts: np.ndarray) -> None:
    def save(path: Path) -> None:
        with path.open("wb") as stream:
            np.save(stream, counts)

    with suppress(InputError):  # counted again the next time
        write_atomic(file, save)


def _digest(masks: Sequence[Path | str], encoding: MaskEncoding) -> str:
    """Hash names, sizes and times of the files and what their values mean."""
    digest = hashlib.sha256(f"{_VERSION} {encoding.values} {encoding.ignored}".encode())
    for mask in masks:
        try:
            state = os.stat(mask)
            text = f"{mask} {state.st_size} {state.st_mtime_ns}\n"
        except OSError:  # reading says what is wrong
            text = f"{mask} -\n"
        digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]
