"""Finds a classification set below one folder."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError, did_you_mean, join_names
from mnv4_vision.datasets.formats.layout import data_folder
from mnv4_vision.datasets.image_files import IMAGE_SUFFIXES, walk_files
from mnv4_vision.datasets.image_folders.data import LabelledImage, LabelledImages
from mnv4_vision.datasets.image_folders.label_list import COLUMNS, LIST, find_list
from mnv4_vision.datasets.image_folders.store import STORE, find_store
from mnv4_vision.datasets.masks.listing import SPLIT_WORDS

__all__ = ["NoClassesError", "find_images"]

_SUFFIXES = tuple(IMAGE_SUFFIXES)


class NoClassesError(MissingFileError):
    """A folder holds nothing that looks like images in a folder for each class."""


def find_images(
    root: Path | str,
    *,
    need: Sequence[str] = ("train", "val"),
    only: Sequence[str] | None = None,
) -> LabelledImages:
    """Find the labelled images below `root`; nothing is written there.

    The classes are the names of the folders in `train/`, sorted, as torchvision's `ImageFolder` and
    timm number them; a set without `train/` is numbered by its `val/`.

    Args:
        root: The folder given as `--data-root`.
        need: Splits that must exist; `("val",)` is enough to evaluate.
        only: The splits to list, and that must exist; by default all, and `need`. It saves
            seconds of ImageNet.

    Raises:
        NoClassesError: No layout fits, or there are no two classes; the message says what was
            looked for.
        MissingFileError: There is no such folder, or no such split.
        InputError: A split has a class that training has not, or a store is damaged.
    """
    root, need = data_folder(root), need if only is None else only
    data = _find(root, need, only)
    for split in need:
        if not data.splits.get(split):
            raise _no_split(split, data if only is None else _find(root, (), None))
    return data


def _find(root: Path, need: Sequence[str], only: Sequence[str] | None) -> LabelledImages:
    if (root / STORE).is_file():
        return find_store(root, only)
    if not (root / LIST).is_file():
        return _folders(root, need, only)
    data = find_list(root, only)
    _check_number(root, data.classes)
    return data


def _folders(root: Path, need: Sequence[str], only: Sequence[str] | None) -> LabelledImages:
    folders = dict(_split_folders(root))
    named = {split: _class_folders(folder) for split, folder in folders.items()}
    named = {split: classes for split, classes in named.items() if classes}
    if not named:
        raise _nothing_found(root)
    classes = tuple(named.get("train") or next(iter(named.values())))
    _check_number(root, classes)
    splits, warnings = {}, []
    for split, present in named.items():
        strange = [name for name in present if name not in classes]
        if strange and split == "test" and split not in need:  # often one folder without labels
            where = folders[split] / strange[0]
            warnings.append(f"{where} is a class that the training images lack: no {split} split")
            continue
        _check_known(folders[split], strange, classes)
        if empty := sorted(set(_subfolders(folders[split])) - set(present)):
            where = join_names([f"{folders[split].name}/{name}" for name in empty], 8)
            warnings.append(f"no images in {where}: no class")
        if only is None or split in only:
            splits[split] = _list_images(folders[split], classes)
    first = folders[next(iter(named))].name
    name = f"a folder for each class below {first}/"
    return LabelledImages(root, name, classes, splits, tuple(warnings))


def _split_folders(root: Path) -> Iterator[tuple[str, Path]]:
    for split, words in SPLIT_WORDS.items():
        for word in words:
            if (root / word).is_dir():
                yield split, root / word
                break


def _class_folders(folder: Path) -> list[str]:
    """Return the names of the subfolders that hold images, sorted."""
    return [name for name in _subfolders(folder) if _holds_images(str(folder / name))]


def _holds_images(folder: str) -> bool:
    with os.scandir(folder) as entries:  # its first files tell; `os.walk` would list all of them
        if any(_is_image(entry.name) and entry.is_file() for entry in entries):
            return True
    return any(_images_in(folder))


def _subfolders(folder: Path) -> list[str]:
    # Not `DirEntry.is_dir`, which raises for a link to itself.
    names = (name for name in os.listdir(folder) if not name.startswith("."))
    return sorted(name for name in names if os.path.isdir(folder / name))


def _images_in(folder: str) -> Iterator[str]:
    return filter(_is_image, walk_files(folder))


def _is_image(name: str) -> bool:
    # No stat and no Path: ImageNet has 1.28 million.
    return name.lower().endswith(_SUFFIXES)


def _list_images(folder: Path, classes: tuple[str, ...]) -> tuple[LabelledImage, ...]:
    return tuple(
        LabelledImage(path, label)
        for label, name in enumerate(classes)
        for path in sorted(_images_in(str(folder / name)))
    )


def _check_number(root: Path, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        names = f"one class, {classes[0]!r}" if classes else "no class"
        raise NoClassesError(f"{root}: {names}: a classifier takes two or more")


def _check_known(folder: Path, strange: list[str], classes: tuple[str, ...]) -> None:
    if strange:
        raise InputError(
            f"{folder / strange[0]} is a class that the training images lack"
            f"{did_you_mean(strange[0], classes)}; they have {join_names(classes, 8)}"
        )


def _no_split(split: str, data: LabelledImages) -> MissingFileError:
    here = [name for name, images in data.splits.items() if images]
    advice = ""
    if split == "val" and data.name.startswith("a folder"):
        advice = ": rename test/ to val/" if "test" in here else ": move a part of train/ to val/"
    return MissingFileError(
        f"{data.root} has no {split} split, only {join_names(here)} ({data.name}){advice}"
    )


def _nothing_found(root: Path) -> NoClassesError:
    folders = _subfolders(root)
    if flat := [folder for _, folder in _split_folders(root) if any(_images_in(str(folder)))]:
        return NoClassesError(
            f"the images in {flat[0]} are in no class folders: move them to {flat[0]}/<class>, or "
            f"write {root / LIST} with the columns {','.join(COLUMNS)}"
        )
    if deeper := [name for name in folders if any(_split_folders(root / name))]:
        return NoClassesError(
            f"no train/ and val/ in {root}: pass {root / deeper[0]}, which has them"
        )
    undivided = [name for name in folders if _holds_images(str(root / name))]
    if len(undivided) > 1:
        return NoClassesError(
            f"{root} has images in {join_names(undivided, 4)} that are not divided: move them to "
            f"{root / 'train' / undivided[0]} and so on, and some to {root / 'val' / undivided[0]}"
        )
    here = join_names(sorted(entry.name for entry in root.iterdir()), 8)
    return NoClassesError(
        f"no images in class folders in {root}, which holds {here or 'nothing'}. Looked for "
        f"train/<class>/*.jpg and val/<class>/*.jpg, for {LIST} ({', '.join(COLUMNS)}), and for a "
        f"packed set ({STORE})"
    )
