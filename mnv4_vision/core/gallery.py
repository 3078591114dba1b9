"""Pictures of a data set on a page: as many as asked for, whatever is wrong with some."""

from collections.abc import Callable

import cv2
import numpy as np

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.html import Page

__all__ = ["NUM_DRAWS", "SIDE_PX", "add_picture", "show_some"]

NUM_DRAWS = 2  # augmented pictures of each image
SIDE_PX = 480  # longest side of a picture in the page, for screens with two pixels a point
_NUM_NAMED = 10
_JPEG_QUALITY = 85


def show_some(page: Page, total: int, num: int, seed: int, show: Callable[[int], None]) -> None:
    """Show `num` of `total` images, drawn at random; those that fail are named and replaced.

    Args:
        page: For the names.
        total: How many there are.
        num: How many to show, at least one.
        seed: Equal seeds choose the same.
        show: Adds image `i` to the page, or raises an `InputError` before it adds anything.

    Raises:
        InputError: None can be shown.
    """
    unreadable, shown = [], 0
    for position in np.random.default_rng(seed).permutation(total):
        if shown == num:
            break
        try:
            show(int(position))
        except InputError as error:
            unreadable.append(str(error))
        else:
            shown += 1
    if not shown:
        raise InputError(f"no image can be shown: {unreadable[0]}")
    for reason in unreadable[:_NUM_NAMED]:
        page.text(f"Left out: {reason}")


def add_picture(page: Page, picture: np.ndarray, caption: str, width_px: int) -> None:
    """Add a picture `(H, W, 3)` BGR; one with sides of `SIDE_PX` is shown `width_px` wide."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    jpeg = cv2.imencode(".jpg", picture, flags)[1].tobytes()
    page.image(jpeg, caption, width=width_px * picture.shape[1] // SIDE_PX)
