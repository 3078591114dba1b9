"""Image files in a folder: listing them, finding one by its stem, sizes from headers alone."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.stores import open_image

__all__ = ["IMAGE_SUFFIXES", "by_stem", "header_size", "list_files", "list_images", "walk_files"]

# What cv2 decodes on every platform.
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_EXIF_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height


def list_files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Return the files below `folder` with these suffixes (lower case), sorted, none hidden.

    Links are followed; one that leads nowhere is listed, so that reading it says so.
    """
    suffixes = frozenset(suffixes)
    return sorted(
        Path(path)  # of these alone: ImageNet has 1.28 million others
        for path in walk_files(folder)
        if os.path.splitext(path)[1].lower() in suffixes
        and (os.path.islink(path) or os.path.isfile(path))
    )


def walk_files(folder: Path | str) -> Iterator[str]:
    """Yield the paths of files that are not hidden, nor in a hidden folder.

    Links are followed, but none to a folder above and no folder twice.

    Raises:
        PermissionError: A folder must not be listed.
    """
    seen = {str(above) for above in Path(os.path.realpath(folder)).parents}
    for parent, folders, names in os.walk(folder, onerror=_refused, followlinks=True):
        real = os.path.realpath(parent)
        is_new = real not in seen
        folders[:] = [name for name in folders if is_new and not name.startswith(".")]
        if is_new:
            yield from (f"{parent}{os.sep}{name}" for name in names if not name.startswith("."))
        seen.add(real)


def _refused(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise error


def list_images(folder: Path) -> list[Path]:
    """Return the image files below `folder`, sorted."""
    return list_files(folder, IMAGE_SUFFIXES)


def by_stem(folder: Path, images: Iterable[Path]) -> dict[str, Path]:
    """Index `images` by their path below `folder` without suffix, as annotation files name them.

    Raises:
        InputError: Two images would share one annotation file.
    """
    index: dict[str, Path] = {}
    for path in images:
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in index:
            raise InputError(
                f"{index[stem]} and {path.name} share one annotation file, {stem!r}: rename one"
            )
        index[stem] = path
    return index


def header_size(path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the `(width, height)` stored in the header, and the one after EXIF rotation.

    Nothing is decoded, so a truncated picture has a size too.

    Raises:
        MissingFileError: There is no such file.
        InputError: The header cannot be read.
    """
    try:
        with open_image(path) as file, Image.open(file) as image:
            width, height = image.size
            # Without the guard Pillow decodes a whole PNG in search of the tag.
            exif = image.getexif() if "exif" in image.info else {}
            turned = exif.get(_EXIF_ORIENTATION) in _TURNED
    except FileNotFoundError:
        raise MissingFileError(f"image {path} does not exist") from None
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, ...
        raise InputError(f"image {path} has no readable header ({type(error).__name__})") from None
    return (width, height), ((height, width) if turned else (width, height))
