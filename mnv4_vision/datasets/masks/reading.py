"""Mask files as numbers: palette PNGs as indices, damage noticed."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.loading import read_whole

__all__ = ["MASK_SUFFIXES", "read_mask", "read_values"]

# Formats that keep the values; a JPEG mask is refused where data sets are found.
MASK_SUFFIXES = frozenset({".bmp", ".png", ".tif", ".tiff"})


def read_mask(path: Path | str, *, in_colour: bool = False) -> np.ndarray:
    """Read a mask file.

    Args:
        path: PNG, BMP or TIFF.
        in_colour: Whether classes are told by colours (`MaskEncoding.in_colour`).

    Returns:
        With `in_colour` `(H, W, 3)` uint8 in RGB order. Else `(H, W)` uint8 or uint16: of a
        palette image the indices, of an RGB image with equal channels one of them.

    Raises:
        MissingFileError: There is no such file.
        InputError: Damaged, coloured where indices are wanted, or colours of 16 bits.
    """
    mask = read_values(path, palette_colours=in_colour)
    if in_colour:
        if mask.dtype != np.uint8:
            raise InputError(f"mask {path} has 16 bits a channel: write its colours with 8")
        return mask if mask.ndim == 3 else np.repeat(mask[..., None], 3, axis=2)
    if mask.ndim == 3:
        raise InputError(
            f"mask {path} is a colour image, but its data set's classes have no colours: give "
            "`name:r,g,b::` lines in labelmap.txt, or write masks with one index a pixel"
        )
    return mask


def read_values(path: Path | str, *, palette_colours: bool = False) -> np.ndarray:
    """Read what a mask file holds, before it is known what it means; raises as `read_mask` does.

    Args:
        path: PNG, BMP or TIFF.
        palette_colours: Whether a palette image gives colours in place of indices.

    Returns:
        `(H, W, 3)` uint8 in RGB order of a coloured image, else `(H, W)` uint8 or uint16.
    """
    content = read_whole(str(path), "mask")
    mask = _decode(content, palette_colours)
    if mask is None:
        raise InputError(f"mask {path} cannot be decoded ({len(content)} bytes)")
    if mask.dtype not in (np.uint8, np.uint16):
        raise InputError(f"mask {path} has {mask.dtype} values: write it with 8 or 16 bits")
    if mask.ndim == 3 and (mask[..., :1] == mask[..., 1:]).all():
        return np.ascontiguousarray(mask[..., 0])
    return mask


def _decode(content: bytes, palette_colours: bool) -> np.ndarray | None:
    try:
        with Image.open(BytesIO(content)) as image:  # the header only
            with_palette = image.mode in ("P", "PA")
            if with_palette:
                image.verify()  # the checksums, which Pillow does not look at when it decodes
        if with_palette:  # OpenCV would turn the indices into colours
            with Image.open(BytesIO(content)) as image:
                return np.asarray(image.convert("RGB") if palette_colours else image.getchannel(0))
        mask = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if mask is None or mask.ndim == 2:
            return mask
        return cv2.cvtColor(mask[..., :3], cv2.COLOR_BGR2RGB)
    except Exception:  # the decoders' own types: cv2.error, PIL.UnidentifiedImageError, ...
        return None
