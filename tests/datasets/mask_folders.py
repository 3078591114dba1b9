"""Mask sets of a few pixels in any layout."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def write_photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 2), (90, 120, 30)).save(path)


def write_mask(path: Path, values: Iterable) -> None:
    """Write a 4 x 2 mask; `values` are indices or colours, repeated as often as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.array(list(values), np.uint8)
    rows = np.resize(values, (8, *values.shape[1:])).reshape(2, 4, *values.shape[1:])
    Image.fromarray(rows).save(path)


def write_pairs(root: Path, images: str, masks: str, values: Iterable, ending: str = "") -> None:
    """Write photos `a` and `b` and their masks for both splits; `{}` is the split."""
    values = list(values)
    for split in ("train", "val"):
        for stem in "ab":
            write_photo(root / images.format(split) / f"{stem}.jpg")
            write_mask(root / masks.format(split) / f"{stem}{ending}.png", values)
