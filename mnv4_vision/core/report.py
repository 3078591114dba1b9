"""Sections that the evaluation report of every task has."""

import importlib.metadata
import math
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner

import mnv4_vision
from mnv4_vision.core.engine.curves import draw_curves
from mnv4_vision.core.engine.history import read_history
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.html import Page

__all__ = [
    "add_pictures",
    "add_provenance",
    "add_scores",
    "add_training",
    "defined",
    "find_metric",
]

Metric = TypeVar("Metric", bound=BaseMetric)


def find_metric(runner: Runner, kind: type[Metric], example: str = "") -> tuple[Metric, Any]:
    """Return the metric of a kind in a runner's test, and the data set behind all wrappers.

    Args:
        runner: Built for a test.
        kind: Class of the metric.
        example: What belongs behind the class in a config, for the message.

    Raises:
        InputError: The test's metric is another one.
    """
    found = [m for m in runner.test_loop.evaluator.metrics if isinstance(m, kind)]
    if not found:
        raise InputError(f"--report needs test_evaluator=dict(type={kind.__name__}{example})")
    dataset = runner.test_dataloader.dataset
    while hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return found[0], dataset


def add_scores(
    page: Page,
    stats: Mapping[str, float],
    texts: Mapping[str, str],
    losses: Mapping[str, float],
) -> None:
    """Add the table of the means and losses; `texts` say what they are."""
    page.heading("Scores")
    rows = [(name, value, texts[name]) for name, value in defined(stats).items()]
    rows += [(name, float(value), "loss, mean over the images") for name, value in losses.items()]
    page.table(("number", "value", "what"), rows)


def defined(row: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN, which JSON lacks and tables show as a gap, by None."""
    return {name: None if math.isnan(value) else value for name, value in row.items()}


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
