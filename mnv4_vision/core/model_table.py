"""The table of models in the documents, generated from the config files."""

import ast
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.registry import MODELS, init_default_scope

from mnv4_vision.core.engine.prepare import RunOptions, prepare_config
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_macs, count_params

__all__ = ["BEGIN", "END", "ModelRow", "format_rows", "measure_config", "replace_block"]

BEGIN = "<!-- models:begin, written by tools/model_table.py -->"
END = "<!-- models:end -->"
COMMON_SIZE = 320
HEADER = ("config", "detector", "backbone", "parameters, M", f"GMACs at {COMMON_SIZE} px", "GMACs")


@dataclass(frozen=True)
class ModelRow:
    """What the table says about a config.

    Attributes:
        name: Stem of the config file.
        head: Detector, the first word of the config's docstring.
        backbone: Backbone, the second one.
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


def measure_config(path: str | os.PathLike) -> ModelRow:
    """Count the model of a config on the meta device.

    Raises:
        InputError: A config that does not resolve, or whose docstring does not begin with
            "Detector, Backbone, ".
    """
    title = (ast.get_docstring(ast.parse(Path(path).read_text())) or "").partition("\n")[0]
    head, *rest = title.split(", ")
    if len(rest) < 2:
        raise InputError(f"{path}: its docstring should begin with 'Detector, Backbone, ...:'")
    cfg, _ = prepare_config(RunOptions(config=str(path), pretrained="none"), splits=())
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    width, height = cfg.image_size
    macs = common_macs = count_macs(model, (height, width))
    if (width, height) != (COMMON_SIZE, COMMON_SIZE):
        common_macs = count_macs(model, COMMON_SIZE)
    return ModelRow(
        name=Path(path).stem,
        head=head,
        backbone=rest[0],
        image_size=(width, height),
        params=count_params(model),
        macs=macs,
        common_macs=common_macs,
    )


def format_rows(rows: Iterable[ModelRow]) -> str:
    """Return a Markdown table; configs of the same model share a row, as do their counts."""
    groups: dict[tuple, list[ModelRow]] = {}
    for row in sorted(rows, key=lambda row: (row.head, row.params, row.name)):
        groups.setdefault(row.model, []).append(row)
    lines = [HEADER, ("---",) * 3 + ("--:",) * 3, *map(_cells, groups.values())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(rows: Sequence[ModelRow]) -> tuple[str, ...]:
    first = rows[0]
    also = [f"`{row.name.removeprefix(first.name)}`" for row in rows[1:]]
    width, height = first.image_size
    size = str(width) if width == height else f"{width}x{height}"
    return (
        f"`{first.name}`" + (f", also {', '.join(also)}" if also else ""),
        first.head,
        first.backbone,
        f"{first.params / 1e6:.2f}",
        f"{first.common_macs / 1e9:.2f}",
        f"{first.macs / 1e9:.2f} at {size}",
    )


def replace_block(text: str, table: str, source: str) -> str:
    """Return `text` with `table` between its two marker lines.

    Raises:
        InputError: A marker is missing, or is there twice.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise InputError(f"{source} should hold the lines {BEGIN} and {END} once")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}"
