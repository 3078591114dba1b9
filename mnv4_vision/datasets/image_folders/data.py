"""The contract of the classification sets: what discovery gives and everything else reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

__all__ = ["LabelledImage", "LabelledImages"]


class LabelledImage(NamedTuple):
    """An image and the number of its class."""

    path: str
    label: int


@dataclass(frozen=True)
class LabelledImages:
    """A classification set found on disk.

    Attributes:
        root: The folder it was found in.
        name: Its layout, for people.
        classes: Names in label order.
        splits: The images of each split, sorted by class and name.
        warnings: What is odd about it and stops nothing.
    """

    root: Path
    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[LabelledImage, ...]]
    warnings: tuple[str, ...] = ()

    def describe(self, root: Path | str) -> str:
        """Say what was found at `root`."""
        sizes = ", ".join(f"{split} {len(images)}" for split, images in self.splits.items())
        lines = [f"{root}: {self.name}, {len(self.classes)} classes; {sizes}"]
        return "\n".join(lines + [f"warning  {warning}" for warning in self.warnings])
