"""COCO JSON below one folder: a table of known layouts, and reading whole sets into memory."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mnv4_vision.core.errors import InputError, MissingFileError, join_names
from mnv4_vision.datasets._coco_json import (
    class_names,
    first_file_name,
    read_categories,
    read_coco_json,
)
from mnv4_vision.datasets.formats.splits import LoadedSet, Split
from mnv4_vision.datasets.verification.checks import check_annotations
from mnv4_vision.datasets.verification.findings import KINDS, Findings

__all__ = [
    "COCO_LAYOUTS",
    "SPLIT_NAMES",
    "find_coco_single",
    "find_coco_splits",
    "load_coco",
    "load_coco_single",
    "shared_classes",
]

# name: (annotation file, image folders that may go with it), tried from the top.
_Layouts = dict[str, tuple[str, tuple[str, ...]]]
# {} is the name of the split.
COCO_LAYOUTS: _Layouts = {
    "COCO 2017": ("annotations/instances_{}2017.json", ("{}2017", "images/{}2017")),
    "COCO": ("annotations/instances_{}.json", ("{}", "images/{}", "images")),
    "COCO: train.json + val.json + images": ("{}.json", ("images", "images/{}", "{}")),
    "COCO: train.json + val.json in annotations": (
        "annotations/{}.json",
        ("{}", "images/{}", "images"),
    ),
    "COCO: train + valid folders": ("{}/_annotations.coco.json", ("{}",)),
}
SPLIT_NAMES = {  # the capitals are CVAT's
    "train": ("train", "Train"),
    "val": ("val", "valid", "validation", "Validation"),
    "test": ("test", "Test"),
}
# Sets without splits.
_SINGLES: _Layouts = {
    "annotations.json": ("annotations.json", ("images",)),
    "_annotations.coco.json": ("_annotations.coco.json", (".",)),
    "instances.json": ("instances.json", ("images",)),
    "CVAT": ("annotations/instances_default.json", ("images/default", "images")),
    **COCO_LAYOUTS,
}
# Records of these kinds have no place in another file; the others are converted as they are.
_BROKEN = ("duplicate_id", "unknown_image", "unknown_category")


def find_coco_splits(root: Path, need: tuple[str, ...]) -> tuple[str, dict] | None:
    """Return the name of the first layout with these splits, and its `(file, folder)` paths.

    Raises:
        MissingFileError: An annotation file is there, but not its image folder.
    """
    for name, layout in COCO_LAYOUTS.items():
        paths = {split: _locate(root, names, *layout) for split, names in SPLIT_NAMES.items()}
        if all(paths[split][0].is_file() for split in need):
            for split in need:
                _check_image_folder(split, *paths[split])
            return name, paths
    return None


def _locate(
    root: Path, names: tuple[str, ...], file: str, folders: tuple[str, ...]
) -> tuple[Path, Path]:
    """Return the annotation file under one of these names, and the folder with its images."""
    name = next((n for n in names if (root / file.format(n)).is_file()), names[0])
    path = root / file.format(name)
    places = [root / folder.format(name) for folder in folders]
    first = first_file_name(path)
    found = find_folder((*places, root), first) if first else None
    there = next((place for place in places if place.is_dir()), places[0])
    return path, found or there


def find_folder(places: Iterable[Path], file_name: str) -> Path | None:
    """Return the first folder that has this file; with file names below `root`, that is it."""
    # Unlike Path.is_file this is false, too, for a name that no file can have.
    return next((place for place in places if os.path.isfile(place / file_name)), None)


def shared_classes(files: dict[str, Path]) -> tuple[str, ...]:
    """Return the class names of these annotation files, in label order.

    Raises:
        InputError: Two files do not list the same categories in the same order.
    """
    classes = {path: class_names(path, read_categories(path)) for path in files.values()}
    (first, names), *others = classes.items()
    for path, other_names in others:
        if other_names != names:
            _refuse_classes(first, names, path, other_names)
    return names


def load_coco(root: Path) -> LoadedSet | None:
    """Read all splits of a COCO set into memory; None where there is none.

    Raises:
        InputError: A file is no COCO file, or has records that no other file could hold.
    """
    found = next(
        filter(None, (find_coco_splits(root, n) for n in (("train", "val"), ("val",)))), None
    )
    if found is None:
        return None
    name, paths = found
    files = {split: pair for split, pair in paths.items() if pair[0].is_file()}
    for split, pair in files.items():
        _check_image_folder(split, *pair)
    classes = shared_classes({split: file for split, (file, _) in files.items()})
    splits = {split: Split(images, _read(split, file)) for split, (file, images) in files.items()}
    return LoadedSet("coco", name, classes, splits)


def find_coco_single(root: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Return the annotation file of a set without splits, and folders that may have the images."""
    for file, folders in _SINGLES.values():
        for name in SPLIT_NAMES["train"]:
            if (root / file.format(name)).is_file():
                return root / file.format(name), tuple(f.format(name) for f in folders)
    files = sorted(root.glob("*.json"))
    return (files[0], ("images",)) if len(files) == 1 else None


def load_coco_single(root: Path) -> LoadedSet | None:
    """Read a COCO set without splits into memory, as the split `all`; None where there is none."""
    found = find_coco_single(root)
    if found is None:
        return None
    path, folders = found
    content = _read("all", path)
    first = content["images"][0]["file_name"]
    places = [*(root / folder for folder in folders), root]
    images = find_folder(places, first)
    if images is None:
        looked = " or ".join(map(str, dict.fromkeys(places)))
        raise MissingFileError(f"{path} lists {first}, which is not in {looked}")
    classes = class_names(path, content["categories"])
    return LoadedSet(
        "coco", f"COCO without splits: {path.name}", classes, {"all": Split(images, content)}
    )


def _read(split: str, path: Path) -> dict:
    findings = Findings()
    check_annotations(split, path, findings)
    for finding in (*findings.errors, *findings.warnings):
        if finding.kind in _BROKEN:
            what = f"{finding.count} {KINDS[finding.kind].title}"
            raise InputError(f"{path} has {what}: {finding.examples[0]}")
    content = read_coco_json(path)
    for position, image in enumerate(content["images"]):
        name = PurePosixPath(image["file_name"])
        place = f"{path}: images[{position}] has the file_name {image['file_name']!r}"
        if "\\" in image["file_name"]:
            raise InputError(f"{place}: write / for \\")
        if name.is_absolute() or ".." in name.parts:
            raise InputError(f"{place}, it must stay below the image folder")
    return content


def _check_image_folder(split: str, annotations: Path, images: Path) -> None:
    if not images.is_dir():
        raise MissingFileError(
            f"{annotations} is there, but its image folder {images} is missing; "
            f"put the {split} images there"
        )


def _refuse_classes(
    path: Path, names: tuple[str, ...], other_path: Path, other_names: tuple[str, ...]
) -> None:
    if sorted(names) == sorted(other_names):
        detail = "the same categories in another order, which the labels follow,"
    else:
        odd = sorted(set(names) ^ set(other_names))
        detail = f"other categories ({join_names(odd)} in only one of them)"
    raise InputError(f"{other_path} has {detail} than {path}: list the same ones in both")
