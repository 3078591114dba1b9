"""Whether a folder holds boxes, masks or classes, for the tools that look at data."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.formats.layout import DataLayout, find_data
from mnv4_vision.datasets.image_folders import LabelledImages, NoClassesError, find_images
from mnv4_vision.datasets.masks import MaskData, NoMasksError, find_masks

__all__ = ["KINDS_OF_DATA", "find_labels", "other_tasks", "task_of"]

Found = TypeVar("Found")

# What is looked at, in this order where no task is named.
KINDS_OF_DATA = {"det": "boxes", "seg": "masks", "cls": "classes"}


def find_labels(
    root: Path | str, task: str | None = None, split: str | None = None
) -> DataLayout | MaskData | LabelledImages:
    """Find a data set of any kind to look at.

    Args:
        root: Its folder.
        task: "det" for boxes, "seg" for masks, "cls" for classes; by default the first of them that
            is there.
        split: The split that must be there; by default both, or val alone.

    Raises:
        MissingFileError: There is no such set; the message lists what was looked for.
        InputError: A file is wrong.
    """
    if task is not None:
        return _find(_FINDERS[task], root, split)
    try:
        return _find(find_data, root, split)
    except MissingFileError as error:
        no_boxes = error
    try:
        return _find(find_masks, root, split)
    except NoMasksError:
        pass
    except InputError:  # it looks like masks, or like the folders of two classes
        if not _is_there("cls", root):
            raise
    try:
        return _find(find_images, root, split)
    except NoClassesError:
        raise MissingFileError(
            f"{no_boxes}. No masks and no classes either: --task seg and --task cls say more"
        ) from None


def task_of(data: DataLayout | MaskData | LabelledImages) -> str:
    """Return the key of `KINDS_OF_DATA` of what was found."""
    return {MaskData: "seg", LabelledImages: "cls"}.get(type(data), "det")


def other_tasks(root: Path | str, task: str) -> list[str]:
    """Return the tasks after `task` that a folder has data for, too."""
    tasks = list(KINDS_OF_DATA)
    return [other for other in tasks[tasks.index(task) + 1 :] if _is_there(other, root)]


def _is_there(task: str, root: Path | str) -> bool:
    try:
        _find(_FINDERS[task], root, None)
    except InputError:
        return False
    return True


_FINDERS = {"det": find_data, "seg": find_masks, "cls": find_images}


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
