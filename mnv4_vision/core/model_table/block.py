"""A generated part of a document: where it stands and what it is made of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError

__all__ = ["Block", "replace_block"]


@dataclass(frozen=True)
class Block:
    """The text between two marker lines, made from a folder of configs.

    Attributes:
        name: First word of both markers.
        folder: Whose configs it is about, below the root of the checkout.
        measure: Makes the row of a config file.
        format: Makes Markdown from all rows.
    """

    name: str
    folder: str
    measure: Callable[[Path], Any]
    format: Callable[[Iterable[Any]], str]

    @property
    def begin(self) -> str:
        """The marker above."""
        return f"<!-- {self.name}:begin, written by tools/model_table.py -->"

    @property
    def end(self) -> str:
        """The marker below."""
        return f"<!-- {self.name}:end -->"

    def write(self, root: Path) -> str:
        """Return the text for the configs of the checkout at `root`."""
        return self.format(map(self.measure, sorted((root / self.folder).glob("*.py"))))


def replace_block(text: str, block: Block, content: str, source: str) -> str:
    """Return `text` with `content` between the marker lines of `block`.

    Raises:
        InputError: A marker is missing from `text`, which `source` holds, or is there twice.
    """
    begin, end = block.begin, block.end
    if text.count(begin) != 1 or text.count(end) != 1:
        raise InputError(f"{source} should hold the lines {begin} and {end} once")
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}"
