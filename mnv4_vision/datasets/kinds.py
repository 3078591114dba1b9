"""Whether a folder holds boxes or masks, for the tools that look at data."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.formats.layout import DataLayout, find_data
from mnv4_vision.datasets.masks import MaskData, NoMasksError, find_masks

__all__ = ["find_boxes_or_masks", "has_masks"]

Found = TypeVar("Found")


def find_boxes_or_masks(
    root: Path | str, task: str | None = None, split: str | None = None
) -> DataLayout | MaskData:
    """Find a data set of either kind to look at.

    Args:
        root: Its folder.
        task: "det" for boxes, "seg" for masks; by default boxes where there are both.
        split: The split that must be there; by default both, or val alone.

    Raises:
        MissingFileError: There is no such set; the message lists what was looked for.
        InputError: A file is wrong.
    """
    if task == "seg":
        return _find(find_masks, root, split)
    try:
        return _find(find_data, root, split)
    except MissingFileError as error:
        if task == "det":
            raise
        try:
            return _find(find_masks, root, split)
        except NoMasksError:
            raise MissingFileError(f"{error}. No masks either: --task seg says more") from None


def has_masks(root: Path | str) -> bool:
    """Whether a data set with masks is to be found in a folder."""
    try:
        _find(find_masks, root, None)
    except InputError:
        return False
    return True


def _find(find: Callable[..., Found], root: Path | str, split: str | None) -> Found:
    if split is not None:
        return find(root, need=(split,))
    try:
        return find(root)
    except MissingFileError as error:
        try:
            return find(root, need=("val",))
        except InputError:
            raise error from None
