"""What a classification set holds, and the table that is printed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnv4_vision.datasets.verification.summary import describe_sizes, format_table

__all__ = ["ImageSummary", "format_image_summaries", "image_class_table"]


@dataclass
class ImageSummary:
    """What one split holds.

    Attributes:
        root: Folder of the set.
        classes: Names in label order.
        num_images: Images listed.
        num_checked: Images whose header was read; less than all of a large set.
        class_counts: Images of each class.
        image_sizes: `(width, height)` of the checked images to their number.
    """

    root: Path
    classes: tuple[str, ...]
    num_images: int = 0
    num_checked: int = 0
    class_counts: Counter[str] = field(default_factory=Counter)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)

    def share(self, name: str) -> float:
        """Return the percentage of class `name` in the images."""
        return 100 * self.class_counts[name] / max(1, self.num_images)

    def describe(self) -> str:
        """Say in a few lines what is in the split."""
        sizes = f", {describe_sizes(self.image_sizes)}" if self.image_sizes else ""
        some = self.num_checked < self.num_images
        sample = f" (of {self.num_checked} that were looked at)" if some and sizes else ""
        counts = [self.class_counts[name] for name in self.classes]
        spread = str(min(counts)) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
        return (
            f"{self.root}\n"
            f"  images  {self.num_images}{sizes}{sample}\n"
            f"  classes {len(self.classes)}, {spread} images each"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, fit for JSON."""
        sizes = [[*size, count] for size, count in self.image_sizes.items()]
        return {**vars(self), "root": str(self.root), "image_sizes": sizes}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ImageSummary":
        """Undo `as_dict`, also after a way through JSON."""
        return cls(
            **{
                **content,
                "root": Path(content["root"]),
                "classes": tuple(content["classes"]),
                "class_counts": Counter(content["class_counts"]),
                "image_sizes": Counter({(w, h): n for w, h, n in content["image_sizes"]}),
            }
        )


def format_image_summaries(summaries: Mapping[str, ImageSummary]) -> str:
    """Return the printed summary of splits with the same classes."""
    lines = [f"{split:<6}{summary.describe()}" for split, summary in summaries.items()]
    return "\n".join(lines + format_table(*image_class_table(summaries)))


def image_class_table(
    summaries: Mapping[str, ImageSummary],
) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows: label, class, images of each split and their percentage."""
    header = ["label", "class"]
    for split in summaries:
        header += [f"{split} images", f"{split} %"]
    names = next(iter(summaries.values())).classes
    rows = []
    for label, name in enumerate(names):
        row = [label, name]
        for summary in summaries.values():
            row += [summary.class_counts[name], summary.share(name)]
        rows.append(row)
    return header, rows
