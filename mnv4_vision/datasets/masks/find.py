"""Finds a segmentation set below one folder."""

from pathlib import Path

from mnv4_vision.core.errors import MissingFileError, join_names
from mnv4_vision.datasets.formats.layout import data_folder
from mnv4_vision.datasets.masks.class_files import CLASS_FILES, ClassFile, find_class_file
from mnv4_vision.datasets.masks.data import MaskData, MaskPair, Unpaired
from mnv4_vision.datasets.masks.folders import FOLDERS, find_folders, find_undivided
from mnv4_vision.datasets.masks.guess import ask_for_classes, encoding_of, with_zero_label
from mnv4_vision.datasets.masks.known import default_palette
from mnv4_vision.datasets.masks.layouts import (
    PUBLISHED,
    UNMISTAKABLE,
    Found,
    Splits,
    find_first,
    find_voc_splits,
)

__all__ = ["MASK_LAYOUTS", "NoMasksError", "find_masks"]

MASK_LAYOUTS = (
    "ADE20K (images/validation, annotations/validation), Cityscapes (leftImg8bit, gtFine), Pascal "
    "VOC 2012 (ImageSets/Segmentation), COCO-Stuff (stuffthingmaps, train2017), COCO panoptic "
    "(semantic_masks), CamVid (train, trainannot)"
)


class NoMasksError(MissingFileError):
    """A folder holds nothing that looks like photos with masks."""


def find_masks(
    root: Path | str,
    *,
    need: tuple[str, ...] = ("train", "val"),
    reduce_zero_label: bool | None = None,
) -> MaskData:
    """Find the photos and masks below `root`; nothing is written there.

    Args:
        root: The folder given as `--data-root`.
        need: Splits that must exist; `("val",)` is enough to evaluate.
        reduce_zero_label: Whether 0 in the masks is "no class" and class `i` is `i + 1`. By
            default a published set's own convention; for other data it is guessed and said.

    Raises:
        NoMasksError: No layout fits; the message lists what was looked for.
        MissingFileError: There is no such folder, or no such split.
        InputError: A file is wrong, or the classes cannot be told: the message says what to write.
    """
    root = data_folder(root)
    found, file = find_first(root, UNMISTAKABLE), None
    if found is None:
        file = find_class_file(root)
        found = find_first(root, PUBLISHED) if file is None else None
    data = (
        _own(root, file, reduce_zero_label)
        if found is None
        else _published(root, found, reduce_zero_label)
    )
    for split in need:
        if not data.splits.get(split):
            here = join_names([name for name, pairs in data.splits.items() if pairs])
            raise MissingFileError(
                f"{root} has no {split} split, only {here or 'masks without image'} ({data.name})"
            )
    return data


def _published(root: Path, found: Found, choice: bool | None) -> MaskData:
    classes, palette, published = found.known
    encoding, words = with_zero_label(published, choice, found.name)
    name = f"{found.name}, {words}" if words else found.name
    files = _files(found.splits)
    zero_is_none = 0 in published.ignored
    return MaskData(root, name, found.format, classes, palette, encoding, *files, zero_is_none)


def _own(root: Path, file: ClassFile | None, choice: bool | None) -> MaskData:
    name, splits = find_folders(root) or find_voc_splits(root) or ("", {})
    if not splits:
        raise _nothing_found(root)
    masks = [pair.mask for pairs, _ in splits.values() for pair in pairs]
    if file is None:
        raise ask_for_classes(root, masks)
    encoding, words = encoding_of(file, masks, choice)
    palette = file.values if file.in_colour else default_palette(len(file.names))
    name = f"own data in {name or 'the layout of Pascal VOC'}, classes of {file.path.name}; {words}"
    return MaskData(root, name, "folders", file.names, palette, encoding, *_files(splits))


def _files(
    splits: Splits,
) -> tuple[dict[str, tuple[MaskPair, ...]], dict[str, Unpaired]]:
    pairs = {split: found for split, (found, _) in splits.items()}
    return pairs, {split: unpaired for split, (_, unpaired) in splits.items()}


def _nothing_found(root: Path) -> MissingFileError:
    if undivided := find_undivided(root):
        images, masks = undivided
        return MissingFileError(
            f"{images} and {masks} are not divided into train and val: move the files of each into "
            "its subfolders train and val"
        )
    here = join_names(sorted(entry.name for entry in root.iterdir()), 8)
    return NoMasksError(
        f"no images with masks in {root.resolve()}, which holds {here or 'nothing'}. Own data: "
        f"{', or '.join(FOLDERS)}, and the same for val, with {CLASS_FILES[1]}. Looked for "
        f"{MASK_LAYOUTS} too"
    )
