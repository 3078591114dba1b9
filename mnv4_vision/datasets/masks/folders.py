"""Your own data: photos and masks in folders of the usual names."""

import re
from collections.abc import Iterator
from pathlib import Path

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.image_files import IMAGE_SUFFIXES
from mnv4_vision.datasets.masks.data import MaskPair, Unpaired
from mnv4_vision.datasets.masks.layouts import Splits
from mnv4_vision.datasets.masks.listing import SPLIT_WORDS, Stems, has_files, list_stems, pair_files
from mnv4_vision.datasets.masks.reading import MASK_SUFFIXES

__all__ = ["FOLDERS", "find_folders", "find_undivided"]

_IMAGES = ("images", "image", "imgs", "img", "img_dir", "JPEGImages")
_MASKS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "ann_dir"),
    *("seg", "segmentation", "gt", "SegmentationClass"),
)
_ENDINGS = ("annot", "_masks", "_mask", "_labels", "_label", "_annotations")
# What tools add to the name of the photo.
_STEM_ENDING = re.compile(r"[_-](masks?|labels?|seg|gt|L|labelTrainIds)$")
# For messages.
FOLDERS = ("images/train + masks/train", "train/images + train/masks", "train + masks/train")


def find_folders(root: Path) -> tuple[str, Splits] | None:
    """Find the splits below `root`.

    Returns:
        The folders of the first split, for people, and the splits.

    Raises:
        InputError: Photos and masks do not belong together, or the masks are JPEG.
    """
    name, splits = "", {}
    for split, words in SPLIT_WORDS.items():
        for word in words:
            found = next(_candidates(root, word), None)
            if found is None:
                continue
            images, masks = found
            splits[split] = _pair(images, masks)
            name = name or f"{images.relative_to(root)}/ and {masks.relative_to(root)}/"
            break
    return (name, splits) if splits else None


def find_undivided(root: Path) -> tuple[Path, Path] | None:
    """Return folders of photos and of masks below `root` that know no splits."""
    return next(_candidates(root, ""), None)


def _candidates(root: Path, word: str) -> Iterator[tuple[Path, Path]]:
    """Yield the folders of photos and masks of a split, the likeliest first."""
    masks = [root / mask / word for mask in _MASKS if (root / mask / word).is_dir()]
    photos = [root / image / word for image in _IMAGES if (root / image / word).is_dir()]
    split = root / word
    inside = [split / image for image in _IMAGES if (split / image).is_dir()]
    pairs = [(image, mask) for mask in masks for image in (*photos, split)]
    pairs += [(image, split / mask) for mask in _MASKS for image in inside]
    pairs += [(split, root / f"{word}{ending}") for ending in _ENDINGS]
    for image, mask in pairs:
        if image.is_dir() and mask.is_dir() and has_files(mask, IMAGE_SUFFIXES):
            yield image, mask
    # Roboflow's export: a.jpg and a_mask.png.
    if split.is_dir() and any(_STEM_ENDING.search(stem) for stem in _stems(split, MASK_SUFFIXES)):
        yield split, split


def _pair(images: Path, masks: Path) -> tuple[tuple[MaskPair, ...], Unpaired]:
    """Pair the files of two folders; the masks' names may have an ending more."""
    mask_stems = _stems(masks, MASK_SUFFIXES)
    image_stems = _stems(images, IMAGE_SUFFIXES)
    if images == masks:
        mask_stems = {stem: path for stem, path in mask_stems.items() if _STEM_ENDING.search(stem)}
        image_stems = {s: path for s, path in image_stems.items() if s not in mask_stems}
    if not mask_stems and (lossy := _stems(masks, IMAGE_SUFFIXES)):
        raise InputError(
            f"{masks} holds masks as {Path(next(iter(lossy.values()))).suffix}, which changes "
            "values: write them as PNG from the source"
        )
    if not image_stems.keys() & mask_stems.keys():
        mask_stems = {_STEM_ENDING.sub("", stem): path for stem, path in mask_stems.items()}
    if not image_stems.keys() & mask_stems.keys():
        image, mask = (next(iter(s.values()), None) for s in (image_stems, mask_stems))
        raise InputError(
            f"no image in {images} ({image or 'none there'}, ...) has a mask of its name in "
            f"{masks} ({mask}, ...): name the mask as the image"
        )
    return pair_files(images, masks, image_stems, mask_stems)


def _stems(folder: Path, suffixes: frozenset[str]) -> Stems:
    return list_stems(folder, suffixes)
