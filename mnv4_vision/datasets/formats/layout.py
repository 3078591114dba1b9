"""Finds the files of a data set below one folder: COCO JSON, YOLO or Pascal VOC.

mmdet and the metric read COCO JSON, so the others are converted, into the cache.
"""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError, join_names
from mnv4_vision.datasets.formats._cache import convert_cached
from mnv4_vision.datasets.formats.coco import (
    COCO_LAYOUTS,
    SPLIT_NAMES,
    find_coco_single,
    find_coco_splits,
    load_coco,
    load_coco_single,
    shared_classes,
)
from mnv4_vision.datasets.formats.splits import FoundSet, LoadedSet
from mnv4_vision.datasets.formats.voc import VOC_LAYOUTS, find_voc
from mnv4_vision.datasets.formats.yolo import YOLO_LAYOUTS, find_yolo
from mnv4_vision.datasets.image_files import IMAGE_SUFFIXES, list_files, walk_files
from mnv4_vision.datasets.verification.verify import SplitPaths

__all__ = ["HOW_TO_GET", "DataLayout", "find_data", "load_set", "paths_of"]


@dataclass(frozen=True)
class DataLayout:
    """Where a detection set lies.

    Attributes:
        name: The layout, for people.
        train_ann: COCO JSON of the training split; in the cache where it was converted.
        train_images: Folder that its file names are relative to.
        val_ann: As for train.
        val_images: As for train.
        classes: Names in label order.
        format: `coco`, `voc` or `yolo`.
        warnings: What the conversion met that does not stop a training.
    """

    name: str
    train_ann: Path
    train_images: Path
    val_ann: Path
    val_images: Path
    classes: tuple[str, ...]
    format: str = "coco"
    warnings: tuple[str, ...] = ()

    def describe(self, root: Path | str) -> str:
        """Say what was found at `root`, and the warnings, a line each."""
        return "\n".join([f"{root}: {self.name}", *(f"warning  {text}" for text in self.warnings)])


def paths_of(layout: DataLayout) -> dict[str, SplitPaths]:
    """Return what the splits of a data set read that are there."""
    paths = {
        "train": SplitPaths(layout.train_ann, layout.train_images),
        "val": SplitPaths(layout.val_ann, layout.val_images),
    }
    return {split: files for split, files in paths.items() if files.ann_file.is_file()}


HOW_TO_GET = (
    "Generate a small set with `python tools/data.py demo --out data/demo`, or fetch COCO (21 GB) "
    "with `python tools/data.py download coco`"
)


def find_data(root: Path | str, *, need: tuple[str, ...] = ("train", "val")) -> DataLayout:
    """Find annotation files and image folders below `root`; nothing is written there.

    Args:
        root: The folder given as `--data-root`.
        need: Splits whose files must exist; `("val",)` is enough to evaluate.

    Raises:
        MissingFileError: No layout fits; the message lists what was looked for.
        InputError: A file is wrong, or train and val do not have the same classes.
    """
    root = data_folder(root)
    coco = find_coco_splits(root, need)
    if coco is not None:
        name, paths = coco
        classes = shared_classes({split: paths[split][0] for split in need})
        return DataLayout(name, *paths["train"], *paths["val"], classes)
    wanted = ("train", "val")
    found = find_yolo(root, wanted) or find_voc(root, wanted)
    if found is None:
        raise MissingFileError(_nothing_found(root, need))
    _check_splits(root, found, need)
    folder, classes, warnings = convert_cached(found)
    images = {split: files.images for split, files in found.splits.items()}
    return DataLayout(
        found.name,
        folder / "train.json",
        images.get("train", root / "train"),
        folder / "val.json",
        images.get("val", root / "val"),
        classes,
        found.format,
        warnings,
    )


def load_set(root: Path | str, *, split: bool = True) -> LoadedSet:
    """Read a whole data set of any format into memory.

    Args:
        root: Its folder.
        split: Whether it must have splits; otherwise it must have none.

    Raises:
        MissingFileError: There is no such set.
        InputError: A file is wrong.
    """
    root = data_folder(root)
    loaded = load_coco(root)
    if loaded is None and (
        found := find_yolo(root, tuple(SPLIT_NAMES)) or find_voc(root, tuple(SPLIT_NAMES))
    ):
        loaded = found.read(tuple(found.splits))
    if loaded is None and not split:
        loaded = load_coco_single(root)
    if loaded is None:
        raise MissingFileError(_nothing_found(root, ("train", "val")))
    if split and "all" in loaded.splits:
        raise InputError(_without_splits(root, loaded.name))
    if not split and "all" not in loaded.splits:
        raise InputError(
            f"{root} is divided already ({loaded.name}): use it as it is, or give "
            "`tools/data.py split` a set without val"
        )
    return loaded


def data_folder(root: Path | str) -> Path:
    """Return the folder of a data set, absolute.

    Raises:
        MissingFileError: There is no such folder.
    """
    # os.path where a name may be impossible: too long, with NUL, ~ of nobody.
    root = Path(os.path.expanduser(root))
    if os.path.isfile(root):
        raise MissingFileError(f"data root {root} is a file: pass the folder of the data set")
    if not os.path.isdir(root):
        raise MissingFileError(
            f"data root {root} does not exist (looked at {root.absolute()}). {HOW_TO_GET}"
        )
    return root.resolve() if ".." in root.parts else root.absolute()


def _check_splits(root: Path, found: FoundSet, need: tuple[str, ...]) -> None:
    if "all" in found.splits:
        raise MissingFileError(_without_splits(root, found.name))
    for split in need:
        if split not in found.splits:
            raise MissingFileError(f"{root} ({found.name}) has no {split} split")


def _without_splits(root: Path, name: str) -> str:
    return (
        f"{root} is not divided into train and val ({name}): run `python tools/data.py split "
        f"{root} --out DIR`, then pass DIR"
    )


def _nothing_found(root: Path, need: tuple[str, ...]) -> str:
    if "train" in need and (found := find_coco_splits(root, ("val",))):
        return f"{root} has {found[1]['val'][0].name}, but no annotations of a train split"
    single = find_coco_single(root)
    if single is not None:
        return _without_splits(root, f"one annotation file, {single[0].name}")
    coco = [file.format(SPLIT_NAMES[need[0]][0]) for file, _ in COCO_LAYOUTS.values()]
    others = " and the like for val" if len(need) > 1 else ""
    shown = join_names(sorted(entry.name for entry in root.iterdir()), 8)
    return (
        f"no data set in {root.resolve()}, which holds {shown or 'nothing'}. {_guess(root)}. "
        f"Looked for COCO ({', or '.join(coco)}{others}), YOLO ({', or '.join(YOLO_LAYOUTS)}), "
        f"VOC ({', or '.join(VOC_LAYOUTS)})"
    )


def _guess(root: Path) -> str:
    """Say what the folder probably is."""
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir())[:20]
    inner = next((folder for folder in folders if _looks_like_data(folder)), None)
    if inner is not None:
        return f"{inner} looks like a data set: pass that folder"
    if any(map(_is_labelme, islice(list_files(root, (".json",)), 3))):
        return (
            "There are labelme's .json files, one an image: convert them with its labelme2coco.py "
            "or labelme2voc.py"
        )
    if (root / "obj.names").is_file():
        return (
            "This is Darknet's YOLO: export it anew, as COCO or as YOLO with data.yaml "
            "('Ultralytics YOLO Detection' in CVAT)"
        )
    if any(list_files(place, (".txt",)) for place in (root / "labels", root / "train")):
        return "There are label .txt files: YOLO needs a data.yaml with names, train and val"
    if images := sum(path.lower().endswith(tuple(IMAGE_SUFFIXES)) for path in walk_files(root)):
        return f"There are {images} images, but no annotations in a known format"
    return HOW_TO_GET


def _looks_like_data(folder: Path) -> bool:
    names = (name for split in ("train", "val") for name in SPLIT_NAMES[split])
    files = [file.format(name) for name in names for file, _ in COCO_LAYOUTS.values()]
    marks = (*files, "data.yaml", "Annotations", "ImageSets")
    return folder.name != "annotations" and any((folder / mark).exists() for mark in marks)


def _is_labelme(path: Path) -> bool:
    content = path.read_bytes()
    return b'"shapes"' in content and b'"imagePath"' in content
