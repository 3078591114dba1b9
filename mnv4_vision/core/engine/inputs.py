"""Image files from what a user names on the command line."""

import glob
from collections.abc import Sequence
from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError

__all__ = ["IMAGE_SUFFIXES", "expand_inputs"]

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def expand_inputs(args: Sequence[str]) -> list[Path]:
    """Return the image files that files, folders (searched in depth) and globs stand for.

    Files named on the command line are taken whatever their suffix; each file occurs once.

    Raises:
        MissingFileError: an argument matches nothing.
        InputError: no argument at all.
    """
    if not args:
        raise InputError("no images given: pass files, folders or globs")
    files: dict[Path, None] = {}
    for arg in args:
        files.update(dict.fromkeys(_expand(str(arg))))
    return list(files)


def _expand(arg: str) -> list[Path]:
    path = Path(arg).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = path.rglob("*")
        problem = f"folder {arg} holds no image"
    else:
        found = (Path(match) for match in glob.glob(str(path), recursive=True))
        problem = f"{arg} does not exist and, as a glob, matches no image"
    images = sorted(f for f in found if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file())
    if not images:
        raise MissingFileError(f"{problem} (suffixes {' '.join(IMAGE_SUFFIXES)})")
    return images
