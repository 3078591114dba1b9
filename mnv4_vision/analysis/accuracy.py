"""Published top-1 of networks: of the weights catalogue, or of a results file."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.core.weights.catalogue import CATALOGUE, canonical

__all__ = ["Accuracy", "catalogue_accuracy", "find_accuracy", "read_accuracy"]


@dataclass(frozen=True)
class Accuracy:
    """One published result.

    Attributes:
        model: Our name of the network, or timm's.
        top1: Percent.
        resolution: Side in pixels that it was measured at; None for any.
        weights: Tag of the weights.
    """

    model: str
    top1: float
    resolution: int | None = None
    weights: str = ""


def catalogue_accuracy() -> list[Accuracy]:
    """Return the top-1 of the weights catalogue, at timm's test resolutions."""
    return [
        Accuracy(entry.arch, entry.top1, entry.test_input_size, entry.tag)
        for entry in CATALOGUE.values()
        if entry.top1 is not None
    ]


def read_accuracy(path: str | Path) -> list[Accuracy]:
    """Read a CSV file with the columns `model` and `top1`, and perhaps `resolution`, `weights`.

    Raises:
        InputError: The file is missing, lacks a column, or holds something else than a percentage.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := {"model", "top1"} - set(reader.fieldnames or ()):
                raise InputError(
                    f"{path} has no column {' and '.join(sorted(missing))}: its first line should "
                    "be model,top1 (and may go on with resolution,weights)"
                )
            return [_accuracy(row, f"{path}, line {reader.line_num}") for row in reader]
    except FileNotFoundError as error:
        raise MissingFileError(f"accuracy file {path} does not exist") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV file: {error}") from error


def find_accuracy(
    known: Sequence[Accuracy], model: str, image_size: tuple[int, int]
) -> Accuracy | None:
    """Return the first result of a network that was measured at this size, (height, width).

    Accuracy at another resolution is that of another speed, and does not count.
    """
    name = canonical(model)
    for result in known:
        fits = result.resolution is None or (result.resolution,) * 2 == tuple(image_size)
        if fits and canonical(result.model) == name:
            return result
    return None


def _accuracy(row: dict[str, str], place: str) -> Accuracy:
    model = (row["model"] or "").strip()
    top1, resolution = row["top1"], row.get("resolution") or None
    if not model:
        raise InputError(f"{place}: it names no model")
    try:
        result = Accuracy(
            model,
            float(top1),
            None if resolution is None else int(resolution),
            row.get("weights") or "",
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{place}: top1 {top1!r} and resolution {resolution!r} should be a percentage and "
            "whole pixels"
        ) from error
    if not 0 <= result.top1 <= 100:
        raise InputError(f"{place}: top1 {top1} is no percentage")
    return result
