"""Whether 0 in the masks is a class or none, held against what is published and the values."""

from collections.abc import Mapping

from mnv4_vision.datasets.masks.data import MaskData
from mnv4_vision.datasets.masks.encoding import IGNORED
from mnv4_vision.datasets.masks.mask_checks import MaskSplit
from mnv4_vision.datasets.verification.findings import ALWAYS_WARNING, Findings

__all__ = ["check_zero_label"]


def check_zero_label(
    splits: Mapping[str, MaskSplit], values: Mapping[str, set[int]], findings: Findings
) -> None:
    """Note a `reduce_zero_label`, given or guessed, that the data speak against.

    Args:
        splits: What is read.
        values: Of each split the distinct values in its mask files.
        findings: Takes what is wrong.
    """
    told: set[str | None] = set()
    for split, files in splits.items():
        if files.data.encoding.in_colour:
            continue
        together = set().union(
            *(values[name] for name, other in splits.items() if other.data == files.data)
        )
        fault = _published_fault(files.data) or _values_fault(files.data, together)
        doubt = None if fault else _doubt(files.data, together)
        if (what := fault or doubt) and what not in told:
            findings.add("zero_label", split, 1, what, ALWAYS_WARNING if doubt else None)
        told.add(what)


def _published_fault(data: MaskData) -> str | None:
    if data.zero_is_none in (None, 0 in data.encoding.ignored):
        return None
    if data.zero_is_none:
        zero = data.classes[data.encoding.values.index(0)] if 0 in data.encoding.values else "?"
        return (
            f"{data.root} is {data.name}, where 0 in the masks is no class, but "
            f"reduce_zero_label=False reads it as {zero!r} and every class as the next"
        )
    return (
        f"{data.root} is {data.name}, where 0 in the masks is a class, but reduce_zero_label=True "
        "ignores it and reads every class as the one before"
    )


def _values_fault(data: MaskData, values: set[int]) -> str | None:
    """Say that the masks number their classes from 1, where that is the only way to read them."""
    num_classes = len(data.classes)
    if _is_range(data, 0) and values - _known(data) == {num_classes}:
        return (
            f"the masks of {data.root} have values up to {num_classes}, one more than its "
            f"{num_classes} classes numbered from 0: 0 is probably no class, which "
            "reduce_zero_label=True says"
        )
    return None


def _doubt(data: MaskData, values: set[int]) -> str | None:
    """Say that the masks may number their classes from 0."""
    num_classes = len(data.classes)
    if (
        data.zero_is_none is None
        and _is_range(data, 1)
        and 0 in values
        and max(values - {IGNORED}, default=0) == num_classes - 1
    ):
        return (
            f"no mask of {data.root} has the value {num_classes} of the last class, "
            f"{data.classes[-1]!r}, and 0 is read as no class: should 0 be {data.classes[0]!r}, "
            "set reduce_zero_label=False"
        )
    return None


def _is_range(data: MaskData, first: int) -> bool:
    return data.encoding.values == tuple(range(first, first + len(data.classes)))


def _known(data: MaskData) -> set[int]:
    return {*data.encoding.values, *data.encoding.ignored}
