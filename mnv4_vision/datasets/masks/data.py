"""The contract of the mask data sets: what discovery gives and everything else reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mnv4_vision.datasets.masks.encoding import Colour, MaskEncoding

__all__ = ["MaskData", "MaskPair", "Unpaired"]


class MaskPair(NamedTuple):
    """A photo and its mask."""

    image: Path
    mask: Path


class Unpaired(NamedTuple):
    """Files of a split that lack the other half; they are not used."""

    images: tuple[Path, ...] = ()
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class MaskData:
    """A segmentation set found on disk.

    Attributes:
        root: The folder it was found in.
        name: Its layout and how its values are read, for people.
        format: `ade20k`, `cityscapes`, `voc2012`, `coco_stuff`, `coco_panoptic`, `camvid`, `demo`
            or `folders`.
        classes: Names in label order.
        palette: An RGB colour for each class, to draw it with.
        encoding: The values of the mask files.
        zero_is_none: Whether 0 is no class in the masks as the set was published; None for own
            data. `encoding` may say otherwise where the caller insists.
        splits: The pairs of each split, sorted by name.
        unpaired: Of each split the images without mask and the masks without image.
    """

    root: Path
    name: str
    format: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    encoding: MaskEncoding
    splits: Mapping[str, tuple[MaskPair, ...]]
    unpaired: Mapping[str, Unpaired] = field(default_factory=dict)
    zero_is_none: bool | None = None

    def describe(self, root: Path | str) -> str:
        """Say what was found at `root`."""
        sizes = ", ".join(f"{split} {len(pairs)}" for split, pairs in self.splits.items())
        return f"{root}: {self.name}, {len(self.classes)} classes; {sizes}"
