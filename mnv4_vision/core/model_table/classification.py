"""The table of classifiers."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mnv4_vision.core.engine.prepare import load_config
from mnv4_vision.core.measure import count_macs, count_params
from mnv4_vision.core.model_table.rows import (
    build_on_meta,
    group_rows,
    markdown,
    names_cell,
    read_config,
)
from mnv4_vision.core.weights import find_entry

__all__ = ["ClassifierRow", "format_classifiers", "measure_classifier"]

HEADER = ("config", "backbone", "weights", "top-1, %", "input, px", "parameters, M", "GMACs")


@dataclass(frozen=True)
class ClassifierRow:
    """What the table says about a config.

    Attributes:
        name: Stem of the config file.
        backbone: Backbone.
        weights: Pretrained weights that the config names.
        image_size: `(width, height)` of the config's network input, in pixels.
        params: Parameters, with a thousand classes.
        macs: Multiply-accumulates at `image_size`.
    """

    name: str
    backbone: str
    weights: str | None
    image_size: tuple[int, int]
    params: int
    macs: int

    @property
    def model(self) -> tuple:
        """What two configs of the same model share."""
        return self.backbone, self.image_size, self.params, self.macs


def measure_classifier(path: str | os.PathLike) -> ClassifierRow:
    """Count the model of a config on the meta device."""
    config = read_config(path)
    model = build_on_meta(config.cfg)
    width, height = config.cfg.image_size
    return ClassifierRow(
        name=config.name,
        backbone=config.backbone,
        weights=load_config(str(path)).model.backbone.get("pretrained"),
        image_size=(width, height),
        params=count_params(model),
        macs=count_macs(model, (height, width)),
    )


def format_classifiers(rows: Iterable[ClassifierRow]) -> str:
    """Return a Markdown table; configs of the same model share a row."""
    ordered = sorted(rows, key=lambda row: (row.params, row.macs, row.weights is None, row.name))
    groups = group_rows(ordered, key=lambda row: row.model)
    return markdown(HEADER, map(_cells, groups), num_texts=3)


def _cells(rows: Sequence[ClassifierRow]) -> tuple[str, ...]:
    first = rows[0]
    width, height = first.image_size
    entry = find_entry(first.weights or "")
    top1 = f"{entry.top1:.1f} at {entry.test_input_size}" if entry and entry.top1 else "-"
    return (
        names_cell([row.name for row in rows]),
        first.backbone,
        f"`{first.weights}`" if first.weights else "-",
        top1,
        str(width) if width == height else f"{width}x{height}",
        f"{first.params / 1e6:.2f}",
        f"{first.macs / 1e9:.2f}",
    )
