"""What a detection set holds, counted from its annotations, and the table that is printed."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "SIZE_CLASSES",
    "SplitSummary",
    "class_table",
    "describe_ids",
    "describe_sizes",
    "format_summaries",
    "format_table",
]

# COCO's size classes by object area, in pixels.
SIZE_CLASSES: tuple[tuple[str, float], ...] = (
    ("small", 32**2),
    ("medium", 96**2),
    ("large", math.inf),
)
MAX_ROWS, NUM_FREQUENT, NUM_RARE = 24, 12, 6


@dataclass
class SplitSummary:
    """What a COCO annotation file holds. Counts of boxes leave out crowd and ignored regions.

    Attributes:
        ann_file: The file.
        classes: Names in label order.
        category_ids: Their ids in the file.
        num_images: Images listed.
        num_empty: Images without annotation.
        num_boxes: Boxes that can be trained on.
        num_crowd: Crowd regions: matched, but neither trained on nor counted in the evaluation.
        num_ignored: Annotations with `ignore` set, which mmdet leaves out.
        class_counts: Boxes of each class, zeros included.
        class_images: Images with a box of each class.
        image_sizes: `(width, height)` to number of images.
        size_classes: Boxes that are small, medium and large, by COCO's areas.
    """

    ann_file: Path
    classes: tuple[str, ...]
    category_ids: tuple[int, ...] = ()
    num_images: int = 0
    num_empty: int = 0
    num_boxes: int = 0
    num_crowd: int = 0
    num_ignored: int = 0
    class_counts: Counter[str] = field(default_factory=Counter)
    class_images: Counter[str] = field(default_factory=Counter)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    size_classes: Counter[str] = field(default_factory=Counter)

    def count_box(self, name: str, area: float) -> None:
        """Count a box of class `name`."""
        self.num_boxes += 1
        self.class_counts[name] += 1
        self.size_classes[next(size for size, limit in SIZE_CLASSES if area < limit)] += 1

    def describe(self) -> str:
        """Say in a few lines what is in the file."""
        sizes = ", ".join(f"{self.size_classes[name]} {name}" for name, _ in SIZE_CLASSES)
        crowd = f", {self.num_crowd} crowd regions" if self.num_crowd else ""
        ignored = f", {self.num_ignored} ignored" if self.num_ignored else ""
        return (
            f"{self.ann_file}\n"
            f"  images  {self.num_images}, {describe_sizes(self.image_sizes)}\n"
            f"  boxes   {self.num_boxes} ({sizes}){crowd}{ignored}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, fit for JSON."""
        sizes = [[*size, count] for size, count in self.image_sizes.items()]
        return {**vars(self), "ann_file": str(self.ann_file), "image_sizes": sizes}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "SplitSummary":
        """Undo `as_dict`, also after a way through JSON."""
        counters = ("class_counts", "class_images", "size_classes")
        return cls(
            **{
                **content,
                "ann_file": Path(content["ann_file"]),
                "classes": tuple(content["classes"]),
                "category_ids": tuple(content["category_ids"]),
                "image_sizes": Counter({(w, h): n for w, h, n in content["image_sizes"]}),
                **{name: Counter(content[name]) for name in counters},
            }
        )


def format_summaries(summaries: Mapping[str, SplitSummary]) -> str:
    """Return the printed summary of splits with the same classes."""
    lines = [f"{split:<6}{summary.describe()}" for split, summary in summaries.items()]
    first = next(iter(summaries.values()))
    if remap := describe_ids(first.category_ids):
        lines.append(f"category id -> label: {remap}")
    header, rows = class_table(summaries)
    return "\n".join(lines + format_table(header, rows))


def class_table(
    summaries: Mapping[str, SplitSummary],
) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows: label, class, boxes and images of each split."""
    header = ["label", "class"]
    for split in summaries:
        header += [f"{split} boxes", f"{split} images"]
    names = dict.fromkeys(name for summary in summaries.values() for name in summary.classes)
    rows = []
    for label, name in enumerate(names):
        row = [label, name]
        for summary in summaries.values():
            row += [summary.class_counts[name], summary.class_images[name]]
        rows.append(row)
    return header, rows


def describe_ids(category_ids: Sequence[int]) -> str:
    """Return how category ids become labels, in runs; empty where ids count from 0 or 1."""
    if not category_ids or list(category_ids) in _plain(len(category_ids)):
        return ""
    runs: list[list[int]] = []  # first id, last id, first label
    for label, category_id in enumerate(category_ids):
        if runs and category_id == runs[-1][1] + 1:
            runs[-1][1] = category_id
        else:
            runs.append([category_id, category_id, label])
    return ", ".join(
        f"{first}-{last} -> {label}-{label + last - first}"
        if last > first
        else f"{first} -> {label}"
        for first, last, label in runs
    )


def _plain(count: int) -> tuple[list[int], list[int]]:
    return list(range(count)), list(range(1, count + 1))


def describe_sizes(sizes: Counter[tuple[int, int]]) -> str:
    """Say how large the images are, widths by heights."""
    if len(sizes) == 1:
        ((width, height),) = sizes
        return f"all {width}x{height}"
    widths, heights = zip(*sizes, strict=True)
    (width, height), count = sizes.most_common(1)[0]
    return (
        f"{min(widths)} to {max(widths)} wide and {min(heights)} to {max(heights)} high, "
        f"most often {width}x{height} ({count})"
    )


def format_table(header: list[str], rows: list[list[Any]]) -> list[str]:
    """Return aligned lines; of many classes those with the most and the least in column 2."""
    cells = [header, *([_show(cell) for cell in row] for row in _shorten(rows))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column == 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _show(cell: Any) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _shorten(rows: list[list[Any]]) -> list[list[Any]]:
    """Keep the classes with most and fewest where there are many."""
    if len(rows) <= MAX_ROWS:
        return rows
    by_count = sorted(rows, key=lambda row: -row[2])
    left = len(rows) - NUM_FREQUENT - NUM_RARE
    gap = ["", f"({left} more)", *[""] * (len(rows[0]) - 2)]
    return [*by_count[:NUM_FREQUENT], gap, *by_count[-NUM_RARE:]]
