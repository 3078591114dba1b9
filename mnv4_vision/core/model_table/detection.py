"""The table of detectors."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mnv4_vision.core.measure import count_macs, count_params
from mnv4_vision.core.model_table.rows import (
    build_on_meta,
    group_rows,
    markdown,
    names_cell,
    read_config,
)

__all__ = ["DetectorRow", "format_detectors", "measure_detector"]

COMMON_SIZE = 320
HEADER = ("config", "detector", "backbone", "parameters, M", f"GMACs at {COMMON_SIZE} px", "GMACs")


@dataclass(frozen=True)
class DetectorRow:
    """What the table says about a config.

    Attributes:
        name: Stem of the config file.
        head: Detector.
        backbone: Backbone.
        image_size: `(width, height)` of the config's network input, in pixels.
        params: Parameters.
        macs: Multiply-accumulates at `image_size`.
        common_macs: Multiply-accumulates at 320 x 320 px.
    """

    name: str
    head: str
    backbone: str
    image_size: tuple[int, int]
    params: int
    macs: int
    common_macs: int

    @property
    def model(self) -> tuple:
        """What two configs of the same model share."""
        return self.head, self.backbone, self.image_size, self.params, self.macs


def measure_detector(path: str | os.PathLike) -> DetectorRow:
    """Count the model of a config on the meta device."""
    config = read_config(path)
    model = build_on_meta(config.cfg)
    width, height = config.cfg.image_size
    macs = common_macs = count_macs(model, (height, width))
    if (width, height) != (COMMON_SIZE, COMMON_SIZE):
        common_macs = count_macs(model, COMMON_SIZE)
    return DetectorRow(
        name=config.name,
        head=config.head,
        backbone=config.backbone,
        image_size=(width, height),
        params=count_params(model),
        macs=macs,
        common_macs=common_macs,
    )


def format_detectors(rows: Iterable[DetectorRow]) -> str:
    """Return a Markdown table; configs of the same model share a row, as do their counts."""
    ordered = sorted(rows, key=lambda row: (row.head, row.params, row.name))
    groups = group_rows(ordered, key=lambda row: row.model)
    return markdown(HEADER, map(_cells, groups), num_texts=3)


def _cells(rows: Sequence[DetectorRow]) -> tuple[str, ...]:
    first = rows[0]
    width, height = first.image_size
    size = str(width) if width == height else f"{width}x{height}"
    return (
        names_cell([row.name for row in rows]),
        first.head,
        first.backbone,
        f"{first.params / 1e6:.2f}",
        f"{first.common_macs / 1e9:.2f}",
        f"{first.macs / 1e9:.2f} at {size}",
    )
