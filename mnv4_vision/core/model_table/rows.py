"""What the tables of all tasks share: the model of a config, and rows of Markdown."""

import ast
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mnv4_vision.core.backbones.timm_backbone import reparameterize
from mnv4_vision.core.engine.prepare import RunOptions, prepare_config
from mnv4_vision.core.engine.task import Task
from mnv4_vision.core.errors import InputError

__all__ = ["NamedConfig", "build_on_meta", "group_rows", "markdown", "names_cell", "read_config"]

Row = TypeVar("Row")


@dataclass(frozen=True)
class NamedConfig:
    """A resolved config and what its docstring says it is.

    Attributes:
        name: Stem of the config file.
        head: First word of the docstring, the detector or segmenter.
        backbone: The second one.
        cfg: The resolved config, without weights.
        task: Its task.
    """

    name: str
    head: str
    backbone: str
    cfg: Config
    task: Task


def read_config(path: str | os.PathLike) -> NamedConfig:
    """Resolve a config and read its title.

    Raises:
        InputError: A config that does not resolve, or whose docstring does not begin with
            "Head, Backbone, ".
    """
    title = (ast.get_docstring(ast.parse(Path(path).read_text())) or "").partition("\n")[0]
    head, *rest = title.split(", ")
    if len(rest) < 2:
        raise InputError(f"{path}: its docstring should begin with 'Head, Backbone, ...:'")
    cfg, task = prepare_config(RunOptions(config=str(path), pretrained="none"), splits=())
    return NamedConfig(Path(path).stem, head, rest[0], cfg, task)


def build_on_meta(cfg: Config) -> nn.Module:
    """Build the model of a resolved config without memory, parallel branches joined (MobileOne)."""
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
        reparameterize(model)
    return model


def group_rows(rows: Iterable[Row], key: Callable[[Row], Hashable]) -> list[list[Row]]:
    """Bring the rows together that are about the same model."""
    groups: dict[Hashable, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def names_cell(names: Sequence[str]) -> str:
    """Name the configs of one model, the first in full."""
    first, *others = names
    also = [f"`{name.removeprefix(first)}`" for name in others]
    return f"`{first}`" + (f", also {', '.join(also)}" if also else "")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], num_texts: int) -> str:
    """Return a Markdown table whose columns after the first `num_texts` are numbers."""
    line = ("---",) * num_texts + ("--:",) * (len(header) - num_texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, line, *rows))
