"""Classes, colours and mask values of the published sets.

mmseg and mmdet know the names and colours; importing them takes seconds, so only where used.
"""

from pathlib import Path
from typing import NamedTuple

from mnv4_vision.core.drawing import class_colour
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets._coco_json import class_names, read_categories
from mnv4_vision.datasets.demo import DEMO_CLASSES
from mnv4_vision.datasets.masks.encoding import IGNORED, Colour, MaskEncoding

__all__ = ["KnownClasses", "camvid", "coco_panoptic", "default_palette", "demo", "from_mmseg"]

# SegNet's 11 classes with its colours, in the order of its masks.
_CAMVID: dict[str, Colour] = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Pavement": (60, 40, 222),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}
# cityscapesscripts/helpers/labels.py: the ids of the 19 classes in the order of their train ids.
_CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# COCO-Stuff's pixel maps hold the official id minus one; these eleven ids were never annotated.
_COCO_STUFF_GAPS = frozenset({11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90})


class KnownClasses(NamedTuple):
    """What the values of a set's masks stand for; fields as in `MaskData`."""

    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    encoding: MaskEncoding


def default_palette(num_classes: int) -> tuple[Colour, ...]:
    """Return an RGB colour for each class, for data that bring none."""
    return tuple(class_colour(label)[::-1] for label in range(num_classes))


def camvid() -> KnownClasses:
    """Return SegNet's 11 classes of CamVid; 11 is no class."""
    names, palette = tuple(_CAMVID), tuple(_CAMVID.values())
    return KnownClasses(names, palette, MaskEncoding(tuple(range(11)), (11, IGNORED)))


def demo() -> KnownClasses:
    """Return the classes of the generated set: 0 is the background, a class of its own."""
    names = ("background", *DEMO_CLASSES)
    palette = ((0, 0, 0), *default_palette(len(DEMO_CLASSES)))
    return KnownClasses(names, palette, MaskEncoding(tuple(range(len(names)))))


def from_mmseg(name: str, encoding: str) -> KnownClasses:
    """Return the names and colours of a data set class of mmseg.

    Args:
        name: Class name in `mmseg.datasets`.
        encoding: A key of the table of encodings below.
    """
    import mmseg.datasets

    meta = getattr(mmseg.datasets, name).METAINFO
    palette = tuple(tuple(colour) for colour in meta["palette"])
    return KnownClasses(tuple(meta["classes"]), palette, _ENCODINGS[encoding])


_ENCODINGS = {
    "ade20k": MaskEncoding(tuple(range(1, 151)), (0, IGNORED)),
    "cityscapes_ids": MaskEncoding(
        _CITYSCAPES_IDS, (*(i for i in range(34) if i not in _CITYSCAPES_IDS), IGNORED)
    ),
    "cityscapes_train_ids": MaskEncoding(tuple(range(19))),
    "voc2012": MaskEncoding(tuple(range(21))),
    "coco_stuff_ids": MaskEncoding(tuple(i for i in range(182) if i not in _COCO_STUFF_GAPS)),
    "coco_stuff_train_ids": MaskEncoding(tuple(range(171))),
}


def coco_panoptic(folder: Path) -> KnownClasses:
    """Return the categories of a panoptic JSON file; the masks hold their ids, 0 is no class.

    Args:
        folder: With `panoptic_{train,val}2017.json`; the smaller one is read.

    Raises:
        MissingFileError: There is neither.
        InputError: The file lists no categories, or bad ones.
    """
    found = (path for path in folder.glob("panoptic_*.json") if path.is_file())
    files = sorted(found, key=lambda path: path.stat().st_size)
    if not files:
        raise MissingFileError(
            f"{folder} has no panoptic_*.json, whose categories say what the masks hold"
        )
    categories = read_categories(files[0])
    names = class_names(files[0], categories)
    values = tuple(category["id"] for category in categories)
    if not values or not all(0 < value < IGNORED for value in values):
        raise InputError(f"{files[0]}: the ids of `categories` are not all from 1 to {IGNORED - 1}")
    colours = [category.get("color") for category in categories]
    given = all(isinstance(colour, list) and len(colour) == 3 for colour in colours)
    palette = tuple(map(tuple, colours)) if given else default_palette(len(names))
    return KnownClasses(names, palette, MaskEncoding(values, (0, IGNORED)))
