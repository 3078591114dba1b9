"""Where the published sets keep photos and masks."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.formats._text import read_text
from mnv4_vision.datasets.image_files import IMAGE_SUFFIXES
from mnv4_vision.datasets.masks import known
from mnv4_vision.datasets.masks.data import MaskPair, Unpaired
from mnv4_vision.datasets.masks.known import KnownClasses
from mnv4_vision.datasets.masks.listing import SPLIT_WORDS, Stems, has_files, list_stems, pair_files
from mnv4_vision.datasets.masks.reading import MASK_SUFFIXES

__all__ = ["PUBLISHED", "UNMISTAKABLE", "Found", "Splits", "find_first", "find_voc_splits"]

Splits = dict[str, tuple[tuple[MaskPair, ...], Unpaired]]


class Found(NamedTuple):
    """A published set on disk; `name` and `format` as in `MaskData`."""

    name: str
    format: str
    known: KnownClasses
    splits: Splits


def find_first(root: Path, finders: tuple[Callable[[Path], Found | None], ...]) -> Found | None:
    """Return what the first of `finders` knows."""
    return next((found for finder in finders if (found := finder(root))), None)


def _ade20k(root: Path) -> Found | None:
    splits: Splits = {}
    for base in (root, root / "ADEChallengeData2016"):
        for split, folder in (("train", "training"), ("val", "validation")):
            masks = base / "annotations" / folder
            # The layout serves many sets; ADE20K's files have its name.
            if split not in splits and next(masks.glob("ADE_*.png"), None):
                splits[split] = pair_files(base / "images" / folder, masks)
    if not splits:
        return None
    return Found("ADE20K", "ade20k", known.from_mmseg("ADE20KDataset", "ade20k"), splits)


def _cityscapes(root: Path) -> Found | None:
    photos, masks = root / "leftImg8bit", root / "gtFine"
    if not (photos.is_dir() and masks.is_dir()):
        return None
    folders = {s: masks / s for s in ("train", "val") if (masks / s).is_dir()}
    encoding, stems = _first_complete(folders, _CITYSCAPES_MASKS)
    if not stems:
        return None
    splits = {
        s: pair_files(
            photos / s,
            folder,
            list_stems(photos / s, IMAGE_SUFFIXES, _ends("_leftImg8bit")),
            stems[s],
        )
        for s, folder in folders.items()
    }
    classes = known.from_mmseg("CityscapesDataset", encoding)
    return Found(f"Cityscapes, {_words(encoding)}", "cityscapes", classes, splits)


def _coco_stuff(root: Path) -> Found | None:
    for folder in ("stuffthingmaps_trainval2017", "stuffthingmaps", "annotations"):
        masks = {s: root / folder / f"{s}2017" for s in ("train", "val")}
        masks = {s: path for s, path in masks.items() if has_files(path, MASK_SUFFIXES)}
        if masks:
            break
    else:
        return None
    encoding, stems = _first_complete(masks, _COCO_STUFF_MASKS)
    if not stems:
        return None
    splits = {s: pair_files(_coco_photos(root, s), masks[s], None, stems[s]) for s in masks}
    classes = known.from_mmseg("COCOStuffDataset", encoding)
    return Found(f"COCO-Stuff, {_words(encoding)}", "coco_stuff", classes, splits)


def _coco_panoptic(root: Path) -> Found | None:
    splits: Splits = {}
    for split in ("train", "val"):
        masks = root / "semantic_masks" / f"{split}2017"
        if masks.is_dir():
            splits[split] = pair_files(_coco_photos(root, split), masks)
    if not splits:
        return None
    classes = known.coco_panoptic(root / "annotations")
    return Found("COCO panoptic's semantic masks", "coco_panoptic", classes, splits)


def _coco_photos(root: Path, split: str) -> Path:
    inside = root / "images" / f"{split}2017"
    return inside if inside.is_dir() else root / f"{split}2017"


def _ends(ending: str, but: str | None = None) -> Callable[[str], str | None]:
    """Return what takes `ending` off a stem and leaves out stems without it, or with `but`."""

    def stem_of(stem: str) -> str | None:
        wanted = stem.endswith(ending) and not (but and stem.endswith(but))
        return stem.removesuffix(ending) if wanted else None

    return stem_of


# Encodings of `known` and their files; mmseg's converters write theirs beside the original ones.
_CITYSCAPES_MASKS = {
    "cityscapes_train_ids": _ends("_gtFine_labelTrainIds"),
    "cityscapes_ids": _ends("_gtFine_labelIds"),
}
_COCO_STUFF_MASKS = {
    "coco_stuff_train_ids": _ends("_labelTrainIds"),
    "coco_stuff_ids": _ends("", but="_labelTrainIds"),
}


def _words(encoding: str) -> str:
    return "train ids" if encoding.endswith("train_ids") else "official ids"


def _first_complete(
    folders: dict[str, Path], kinds: dict[str, Callable[[str], str | None]]
) -> tuple[str, dict[str, Stems]]:
    """Return the first kind of masks that every split has, and their stems; empty without one."""
    for encoding, stem_of in kinds.items():
        stems = {s: list_stems(path, MASK_SUFFIXES, stem_of) for s, path in folders.items()}
        if folders and all(stems.values()):
            return encoding, stems
    return "", {}


# Its four videos: the layout serves other sets, too, whose names these are not.
_CAMVID_FILES = ("0001TP_*.png", "0006R0_*.png", "0016E5_*.png", "Seq05VD_*.png")


def _camvid(root: Path) -> Found | None:
    splits: Splits = {}
    for split in ("train", "val", "test"):
        masks = root / f"{split}annot"
        if any(next(masks.glob(name), None) for name in _CAMVID_FILES):
            splits[split] = pair_files(root / split, masks)
    if not splits:
        return None
    return Found("CamVid in SegNet's split", "camvid", known.camvid(), splits)


def _demo(root: Path) -> Found | None:
    if not (root / "demo.json").is_file():
        return None
    splits: Splits = {}
    for split in ("train", "val"):
        if (root / "masks" / split).is_dir():
            splits[split] = pair_files(root / split, root / "masks" / split)
    return Found("the demo set", "demo", known.demo(), splits) if splits else None


_VOC_STEM = re.compile(r"20\d\d_\d{6}")


def _voc(root: Path) -> Found | None:
    voc = find_voc_splits(root)
    # The layout serves other sets, too; VOC's files are named by year and number.
    if voc is None or not any(
        _VOC_STEM.fullmatch(pair.mask.stem) for pairs, _ in voc[1].values() for pair in pairs
    ):
        return None
    classes = known.from_mmseg("PascalVOCDataset", "voc2012")
    return Found(f"Pascal VOC 2012{voc[0]}", "voc2012", classes, voc[1])


def find_voc_splits(root: Path) -> tuple[str, Splits] | None:
    """Find `ImageSets/Segmentation` and the files that its lists name.

    Where `trainaug.txt` and `SegmentationClassAug` are there, they are the train split.

    Returns:
        A note about the train split, and the splits with a list; None without such a folder.

    Raises:
        InputError: A list names a file that is not there.
    """
    folders = (root, root / "VOC2012", root / "VOCdevkit" / "VOC2012")
    base = next((f for f in folders if (f / "ImageSets" / "Segmentation").is_dir()), None)
    if base is None:
        return None
    files = {path.stem: path for path in (base / "ImageSets" / "Segmentation").glob("*.txt")}
    lists = {s: files[w] for s, words in SPLIT_WORDS.items() for w in words if w in files}
    images = list_stems(base / "JPEGImages", IMAGE_SUFFIXES)
    masks = list_stems(base / "SegmentationClass", MASK_SUFFIXES)
    folder = base / "SegmentationClass"
    splits = {s: _listed(path, folder, images, masks) for s, path in lists.items()}
    note, more = "", base / "SegmentationClassAug"
    if "trainaug" in files and more.is_dir():
        note = " with SBD's masks: train is trainaug.txt"
        splits["train"] = _listed(files["trainaug"], more, images, list_stems(more, MASK_SUFFIXES))
    return note, {split: files for split, files in splits.items() if files[0] or any(files[1])}


def _listed(
    path: Path, folder: Path, images: Stems, masks: Stems
) -> tuple[tuple[MaskPair, ...], Unpaired]:
    """Pair the files that a list names."""
    stems = dict.fromkeys(_names_in(path))
    for stem in stems:
        if stem not in images and stem not in masks:
            raise InputError(f"{path} lists {stem!r}, which has neither an image nor a mask")
    return pair_files(
        folder.parent / "JPEGImages",
        folder,
        {stem: images[stem] for stem in stems if stem in images},
        {stem: masks[stem] for stem in stems if stem in masks},
    )


def _names_in(path: Path) -> Iterator[str]:
    for line in read_text(path, "image list").splitlines():
        # DeepLab's lists have "/JPEGImages/a.jpg /SegmentationClassAug/a.png" in a line.
        name = line.split(" /")[0].strip().removeprefix("/").removeprefix("JPEGImages/")
        if name:
            stem, dot, suffix = name.rpartition(".")
            yield stem if dot + suffix.lower() in IMAGE_SUFFIXES else name


# No class file makes something else of these.
UNMISTAKABLE = (_cityscapes, _coco_stuff, _coco_panoptic)
# A class file beside the same folders declares another set.
PUBLISHED = (_ade20k, _camvid, _demo, _voc)
