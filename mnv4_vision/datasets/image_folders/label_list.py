"""A set whose labels are in one list: `labels.csv`."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.formats._text import read_text
from mnv4_vision.datasets.image_folders.data import LabelledImage, LabelledImages
from mnv4_vision.datasets.masks.listing import SPLIT_WORDS

__all__ = ["COLUMNS", "LIST", "find_list"]

LIST = "labels.csv"  # as the generated scenes have it
COLUMNS = ("file_name", "label")


def find_list(root: Path, only: Sequence[str] | None = None) -> LabelledImages:
    """Read `labels.csv`: in each row a file below `root`, in its split's folder, and its class.

    Args:
        root: The folder of the set.
        only: Splits to list; by default all.

    Raises:
        InputError: The list is damaged, a file is twice in it, or is in no split's folder.
    """
    path = root / LIST
    rows = list(_rows(path))
    classes = tuple(sorted({label for _, _, label in rows}))
    numbers = {name: number for number, name in enumerate(classes)}
    lines: dict[str, int] = {}
    splits: dict[str, list[LabelledImage]] = {}
    for line, file, label in rows:
        split = next((name for name, words in SPLIT_WORDS.items() if _top(file) in words), None)
        if split is None or not label:
            raise InputError(
                f"{path}, line {line}: {file!r}, {label!r} is not a file below "
                "train/, val/ or test/ and its class"
            )
        if (first := lines.setdefault(file, line)) != line:
            raise InputError(f"{path}, line {line}: {file} is in line {first}, too: remove one")
        image = LabelledImage(str(root / file), numbers[label])
        splits.setdefault(split, []).append(image)
    frozen = {
        split: tuple(images) for split, images in splits.items() if only is None or split in only
    }
    return LabelledImages(root, f"images listed in {LIST}", classes, frozen)


def _top(file: str) -> str:
    return file.partition("/")[0]


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, file and class of each row that is not blank."""
    text = read_text(path, "list of labels")
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        if not set(COLUMNS) <= set(reader.fieldnames):
            raise InputError(
                f"{path} needs a first line with the columns {','.join(COLUMNS)}, separated by "
                "commas; a file that is no list of images needs another name"
            )
        for row in reader:
            file, label = ((row[name] or "").strip() for name in COLUMNS)
            if file or label:
                yield reader.line_num, file, label
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None
