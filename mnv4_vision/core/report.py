"""Sections that the evaluation report of every task has."""

import importlib.metadata
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import mnv4_vision
from mnv4_vision.core.engine.curves import draw_curves
from mnv4_vision.core.engine.history import read_history
from mnv4_vision.core.html import Page

__all__ = ["add_pictures", "add_provenance", "add_training"]


def add_training(page: Page, history: Path | None) -> None:
    """Add the curves of a training's `metrics.jsonl`, if there is one."""
    if history is not None and history.is_file():
        page.heading("Training")
        page.image(draw_curves(read_history(history)), "Losses and validation metrics.")


def add_pictures(page: Page, pictures: Iterable[tuple[bytes | None, str]]) -> None:
    """Add JPEGs with their captions; where a JPEG is None, the caption says why."""
    empty = True
    for jpeg, caption in pictures:
        empty = False
        if jpeg is None:
            page.text(f"no picture: {caption}")
        else:
            page.image(jpeg, caption)
    if empty:
        page.text("There are none.")


def add_provenance(page: Page, rows: Mapping[str, object], packages: Iterable[str]) -> None:
    """Add where the numbers come from.

    Args:
        page: The report.
        rows: What is particular to it, such as the checkpoint.
        packages: Distributions whose installed versions matter.
    """
    page.heading("Where this comes from")
    everything: dict[str, object] = {
        "mnv4_vision": mnv4_vision.__version__,
        "command": shlex.join(sys.argv),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **rows,
        **{f"{name} version": _version(name) for name in packages},
    }
    page.table(("", ""), [(name, str(value)) for name, value in everything.items()])


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
