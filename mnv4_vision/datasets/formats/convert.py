"""From one annotation format to another."""

from collections import Counter
from pathlib import Path

from mnv4_vision.datasets.formats.layout import load_set
from mnv4_vision.datasets.formats.splits import LoadedSet
from mnv4_vision.datasets.formats.writers import write_set

__all__ = ["convert_set"]


def convert_set(
    source: Path | str, fmt: str, out: Path | str, images: str = "copy"
) -> tuple[LoadedSet, Counter[str]]:
    """Write the set at `source` in another format; splits, file names and classes stay.

    Args:
        source: A set that `find_data` understands; its test split comes along.
        fmt: `coco`, `voc` or `yolo`.
        out: Folder to create.
        images: `copy`, `hardlink` or `symlink`.

    Returns:
        The set that was read, and what the format cannot hold, with counts.

    Raises:
        InputError: A file of the set is wrong, the format cannot hold it, `out` is not empty.
    """
    loaded = load_set(source)
    return loaded, write_set(loaded, fmt, out, images)
