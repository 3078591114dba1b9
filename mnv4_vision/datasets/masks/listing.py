"""Lists of image and mask files by stem, and the pairs they make."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.image_files import IMAGE_SUFFIXES
from mnv4_vision.datasets.masks.data import MaskPair, Unpaired
from mnv4_vision.datasets.masks.reading import MASK_SUFFIXES

__all__ = ["SPLIT_WORDS", "Stems", "has_files", "list_stems", "pair_files"]

# What folders and lists of a split are called; the capitals are CVAT's.
SPLIT_WORDS = {
    "train": ("train", "training", "Train"),
    "val": ("val", "valid", "validation", "Validation"),
    "test": ("test", "testing", "Test"),
}

Stems = dict[str, str]


def list_stems(
    folder: Path,
    suffixes: Iterable[str],
    stem_of: Callable[[str], str | None] = lambda stem: stem,
) -> Stems:
    """Index the files below `folder` by their path below it without suffix.

    Only folders are asked the system about: sets have 20,000 to 240,000 files.

    Args:
        folder: Its subfolders belong to it, hidden ones do not.
        suffixes: Lower case, with the dot.
        stem_of: From that path to the name that an image and its mask share; None leaves it out.

    Raises:
        InputError: Two files have one name.
    """
    suffixes = frozenset(suffixes)
    index: Stems = {}
    for path in _walk(str(folder), "", frozenset()):
        stem, dot, suffix = path.rpartition(".")
        name = stem_of(stem) if dot + suffix.lower() in suffixes else None
        if name is None:
            continue
        if name in index:
            raise InputError(
                f"{folder}: {index[name]} and {path} have the same name: images and masks are "
                "paired by name; rename or remove one"
            )
        index[name] = path
    return index


def _walk(folder: str, prefix: str, above: frozenset[str]) -> Iterator[str]:
    """Yield the paths of files below `folder`, relative; a link to a folder above is not taken."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {real})
        else:
            yield prefix + entry.name


def has_files(folder: Path, suffixes: Iterable[str]) -> bool:
    """Whether a file with one of these suffixes lies below `folder`."""
    suffixes = tuple(suffixes)
    return any(path.lower().endswith(suffixes) for path in _walk(str(folder), "", frozenset()))


def pair_files(
    images: Path, masks: Path, image_stems: Stems | None = None, mask_stems: Stems | None = None
) -> tuple[tuple[MaskPair, ...], Unpaired]:
    """Pair the files of two folders by stem.

    Args:
        images: Folder of the photos.
        masks: Folder of the masks.
        image_stems: What `list_stems` gives for the photos; listed here by default.
        mask_stems: As for the photos.
    """
    image_stems = list_stems(images, IMAGE_SUFFIXES) if image_stems is None else image_stems
    mask_stems = list_stems(masks, MASK_SUFFIXES) if mask_stems is None else mask_stems
    pairs = tuple(
        MaskPair(images / image_stems[stem], masks / mask_stems[stem])
        for stem in sorted(image_stems.keys() & mask_stems.keys())
    )
    return pairs, Unpaired(
        tuple(images / image_stems[stem] for stem in sorted(image_stems.keys() - mask_stems)),
        tuple(masks / mask_stems[stem] for stem in sorted(mask_stems.keys() - image_stems)),
    )
