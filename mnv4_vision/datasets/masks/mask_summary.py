"""What a segmentation set holds, counted from its masks, and the table that is printed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnv4_vision.datasets.masks.encoding import IGNORED
from mnv4_vision.datasets.masks.mask_files import MaskFile
from mnv4_vision.datasets.verification.summary import describe_sizes, format_table

__all__ = ["MaskSummary", "format_mask_summaries", "mask_class_table"]


@dataclass
class MaskSummary:
    """What the masks of one split hold.

    Attributes:
        place: Folder of the masks.
        classes: Names in label order.
        num_images: Pairs of photo and mask.
        num_counted: Masks whose pixels were counted; less than all of a large set.
        num_pixels: Their pixels.
        num_ignored: Pixels without class among them.
        class_pixels: Pixels of each class.
        class_images: Counted masks with the class.
        image_sizes: `(width, height)` of the masks to their number.
    """

    place: Path
    classes: tuple[str, ...]
    num_images: int = 0
    num_counted: int = 0
    num_pixels: int = 0
    num_ignored: int = 0
    class_pixels: Counter[str] = field(default_factory=Counter)
    class_images: Counter[str] = field(default_factory=Counter)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def is_sample(self) -> bool:
        """Whether only a part of the masks was counted."""
        return self.num_counted < self.num_images

    def count(self, mask: MaskFile) -> None:
        """Add a mask."""
        self.num_images += 1
        if mask.size is not None:
            self.image_sizes[mask.size] += 1
        if mask.labels is None:
            return
        self.num_counted += 1
        self.num_pixels += int(mask.labels.sum())
        self.num_ignored += int(mask.labels[IGNORED])
        for label, name in enumerate(self.classes):
            if mask.labels[label]:
                self.class_pixels[name] += int(mask.labels[label])
                self.class_images[name] += 1

    def share(self, name: str) -> float:
        """Return the percentage of class `name` in the pixels that have a class."""
        return 100 * self.class_pixels[name] / max(1, self.num_pixels - self.num_ignored)

    @property
    def ignored_share(self) -> float:
        """Percentage of the pixels without class."""
        return 100 * self.num_ignored / max(1, self.num_pixels)

    def describe(self) -> str:
        """Say in a few lines what is in the split."""
        sizes = f", {describe_sizes(self.image_sizes)}" if self.image_sizes else ""
        sample = f" in {self.num_counted} of the masks" if self.is_sample else ""
        return (
            f"{self.place}\n"
            f"  images  {self.num_images}{sizes}\n"
            f"  pixels  {self.num_pixels / 1e6:.1f} million{sample}, "
            f"{self.ignored_share:.1f} % without class"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, fit for JSON."""
        sizes = [[*size, count] for size, count in self.image_sizes.items()]
        return {**vars(self), "place": str(self.place), "image_sizes": sizes}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "MaskSummary":
        """Undo `as_dict`, also after a way through JSON."""
        return cls(
            **{
                **content,
                "place": Path(content["place"]),
                "classes": tuple(content["classes"]),
                "image_sizes": Counter({(w, h): n for w, h, n in content["image_sizes"]}),
                **{name: Counter(content[name]) for name in ("class_pixels", "class_images")},
            }
        )


def format_mask_summaries(summaries: Mapping[str, MaskSummary]) -> str:
    """Return the printed summary of splits with the same classes."""
    lines = [f"{split:<6}{summary.describe()}" for split, summary in summaries.items()]
    return "\n".join(lines + format_table(*mask_class_table(summaries)))


def mask_class_table(
    summaries: Mapping[str, MaskSummary],
) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows: label, class, per split percentage of the pixels and images."""
    header = ["label", "class"]
    for split in summaries:
        header += [f"{split} pixels %", f"{split} images"]
    names = next(iter(summaries.values())).classes
    rows = []
    for label, name in enumerate(names):
        row = [label, name]
        for summary in summaries.values():
            row += [summary.share(name), summary.class_images[name]]
        rows.append(row)
    return header, rows
