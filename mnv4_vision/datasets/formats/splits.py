"""What the readers of VOC and YOLO sets have in common: files of a split, content in COCO's terms.

In converted content every image and annotation has a `source`: the place in the user's own file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError, join_names

__all__ = ["CocoBuilder", "FoundSet", "Item", "LoadedSet", "Split", "SplitFiles", "read_items"]

_DECIMALS = 9  # of a pixel: takes the noise of float arithmetic off, nothing that was annotated


@dataclass(frozen=True)
class Item:
    """One image: its name below the split's image folder, and its annotation file if it has one."""

    name: str
    annotation: Path | None


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split."""

    images: Path
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Split:
    """One split in memory: COCO content, and the folder that its file names are relative to."""

    images: Path
    content: dict[str, Any]


@dataclass(frozen=True)
class LoadedSet:
    """A data set in memory.

    Attributes:
        format: `coco`, `voc` or `yolo`.
        name: Its layout, for people.
        classes: Names in label order.
        splits: `train`, `val` and `test`, those that exist; only `all` where it has no splits.
        warnings: What is odd, but does not stop a training.
    """

    format: str
    name: str
    classes: tuple[str, ...]
    splits: dict[str, Split]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundSet(ABC):
    """A data set found on disk, not read yet.

    Attributes:
        format: `voc` or `yolo`.
        name: Its layout, for people.
        root: Folder that messages name files relative to.
        splits: As in `LoadedSet`.
        classes: Names in label order, or None where the annotations tell.
        settings: Files besides the annotations that the content depends on.
        warnings: What was odd in the listing.
    """

    format: str
    name: str
    root: Path
    splits: dict[str, SplitFiles]
    classes: tuple[str, ...] | None = None
    settings: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @abstractmethod
    def read(self, splits: Sequence[str]) -> LoadedSet:
        """Read these splits.

        Raises:
            InputError: With one line that names the file and the place in it.
        """

    def label(self, path: Path) -> str:
        """Name a file relative to the root."""
        return (
            path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        )


@dataclass
class CocoBuilder:
    """Collects COCO content; category, image and annotation ids count from 1."""

    classes: Sequence[str]
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add_image(self, name: str, size: tuple[int, int], source: str) -> None:
        """Add an image of `(width, height)`; the boxes added next are on it."""
        self.images.append(
            {
                "id": len(self.images) + 1,
                "file_name": name,
                "width": size[0],
                "height": size[1],
                "source": source,
            }
        )

    def add_box(self, label: int, box: Iterable[float], source: str, **extra: Any) -> None:
        """Add a box `x, y, width, height` in pixels to the last image."""
        bbox = [round(value, _DECIMALS) for value in box]
        self.annotations.append(
            {
                "id": len(self.annotations) + 1,
                "image_id": self.images[-1]["id"],
                "category_id": label + 1,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": 0,
                "source": source,
                **extra,
            }
        )

    def content(self) -> dict[str, Any]:
        """Return what a COCO file holds."""
        return {
            "images": self.images,
            "annotations": self.annotations,
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(self.classes)],
        }


def read_items(found: FoundSet, split: str, read: Callable[[Item, Path], Any]) -> list[Any]:
    """Call `read(item, image file)` for a split; one error tells how many files have one.

    Raises:
        InputError: The first file's error, and the names of others that cannot be read.
    """
    files = found.splits[split]
    results, errors, names = [], [], []
    for item in files.items:
        try:
            results.append(read(item, files.images / item.name))
        except InputError as error:
            errors.append(error)
            names.append(found.label(item.annotation or files.images / item.name))
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InputError(f"{errors[0]} ({len(errors) - 1} more bad files: {join_names(names[1:])})")
    return results
