"""What single mask files hold: size, values, pixels of each label, and what is wrong with them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.image_files import header_size
from mnv4_vision.datasets.loading import has_ending
from mnv4_vision.datasets.masks.data import MaskPair
from mnv4_vision.datasets.masks.encoding import MaskEncoding
from mnv4_vision.datasets.masks.reading import read_mask
from mnv4_vision.datasets.verification.image_checks import read_ends

__all__ = ["MaskFile", "examine_mask"]

_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class MaskFile:
    """A mask as it is on disk.

    Attributes:
        path: The file.
        size: `(width, height)`; None where it cannot be read.
        labels: Pixels of each label, `(256,)`, the last those without class; None where the mask
            was not decoded or has a value that is no class.
        values: Distinct values in the file; empty for colours and where it was not decoded.
        problem: Kind and words of what is wrong with it, or None.
    """

    path: Path
    size: tuple[int, int] | None = None
    labels: np.ndarray | None = None
    values: frozenset[int] = frozenset()
    problem: tuple[str, str] | None = None


def examine_mask(pair: MaskPair, encoding: MaskEncoding, decode: bool) -> MaskFile:
    """Read a mask whole, or its header and end alone."""
    path = pair.mask
    try:
        start, tail, num_bytes = read_ends(path)
    except OSError as error:
        what = f"mask {path} cannot be read: {error.strerror or error}"
        return MaskFile(path, problem=("bad_mask", what))
    if start.startswith(_JPEG):
        what = f"mask {path} is a JPEG whatever its name says: its values are not what was drawn"
        return MaskFile(path, problem=("lossy_mask", what))
    if decode or not has_ending(start, tail):
        return _decoded(path, encoding)
    try:
        return MaskFile(path, header_size(path)[0])
    except InputError:
        what = f"mask {path} has no readable header ({num_bytes} bytes)"
        return MaskFile(path, problem=("bad_mask", what))


def _decoded(path: Path, encoding: MaskEncoding) -> MaskFile:
    try:
        mask = read_mask(path, in_colour=encoding.in_colour)
    except InputError as error:
        return MaskFile(path, problem=("bad_mask", str(error)))
    size = (mask.shape[1], mask.shape[0])
    values = frozenset() if encoding.in_colour else _values(mask)
    try:
        labels = np.bincount(encoding.labels(mask).ravel(), minlength=256)
    except InputError as error:
        return MaskFile(path, size, None, values, ("mask_value", f"mask {path} {error}"))
    return MaskFile(path, size, labels, values)


def _values(mask: np.ndarray) -> frozenset[int]:
    return frozenset(np.flatnonzero(np.bincount(mask.ravel())).tolist())
