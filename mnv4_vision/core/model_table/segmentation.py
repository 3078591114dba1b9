"""The tables of segmenters: all at one size, and LR-ASPP as the MobileNetV3 paper counts it."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mnv4_vision.core.measure import count_macs, count_params, peak_activation_bytes
from mnv4_vision.core.model_table.rows import (
    NamedConfig,
    build_on_meta,
    group_rows,
    markdown,
    names_cell,
    read_config,
)

__all__ = ["Counts", "SegmenterRow", "format_segmenters", "measure_segmenter"]

# (height, width) and classes of ADE20K, and of Cityscapes in the paper
SIZE, NUM_CLASSES = (512, 512), 150
PAPER_SIZE, PAPER_CLASSES = (1024, 2048), 19
PAPER_HEAD = "LR-ASPP"
# arXiv 1905.02244, Table 7: millions of parameters, 10^9 multiply-adds
PUBLISHED = (
    ("the paper's, Table 7", "MobileNetV3-Large", "1.51", "9.74", "-"),
    ("the paper's, Table 7", "MobileNetV3-Small", "0.47", "2.90", "-"),
)
COUNTS = ("parameters, M", "GMACs", "peak activations, MB")


@dataclass(frozen=True)
class Counts:
    """Size and cost of a network.

    Attributes:
        params: Parameters.
        macs: Multiply-accumulates.
        peak_bytes: Peak memory of activations in inference at batch 1.
    """

    params: int
    macs: int
    peak_bytes: int


@dataclass(frozen=True)
class SegmenterRow:
    """What the tables say about a config.

    Attributes:
        name: Stem of the config file.
        head: Segmenter.
        backbone: Backbone.
        counts: At 512 x 512 px with 150 classes.
        paper_counts: At 1024 x 2048 px with 19 classes, of LR-ASPP only.
    """

    name: str
    head: str
    backbone: str
    counts: Counts
    paper_counts: Counts | None = None

    @property
    def model(self) -> tuple:
        """What two configs of the same model share."""
        return self.head, self.backbone, self.counts.params, self.counts.macs


def measure_segmenter(path: str | os.PathLike) -> SegmenterRow:
    """Count the model of a config, from the image to the logits at the head's stride.

    Auxiliary heads, which inference does not run, are left out.
    """
    config = read_config(path)
    config.cfg.model.pop("auxiliary_head", None)
    row = SegmenterRow(config.name, config.head, config.backbone, _count(config, NUM_CLASSES, SIZE))
    if config.head != PAPER_HEAD:
        return row
    return replace(row, paper_counts=_count(config, PAPER_CLASSES, PAPER_SIZE))


def _count(config: NamedConfig, num_classes: int, size: tuple[int, int]) -> Counts:
    config.task.use_classes(config.cfg, [str(i) for i in range(num_classes)])
    model = build_on_meta(config.cfg)
    return Counts(count_params(model), count_macs(model, size), peak_activation_bytes(model, size))


def format_segmenters(rows: Iterable[SegmenterRow]) -> str:
    """Return both Markdown tables; configs of the same model share a row."""
    ordered = sorted(rows, key=lambda row: (row.head, row.counts.params, row.name))
    groups = group_rows(ordered, key=lambda row: row.model)
    main = markdown(
        ("config", "segmenter", "backbone", *COUNTS),
        ((_names(g), g[0].head, g[0].backbone, *_cells(g[0].counts)) for g in groups),
        num_texts=3,
    )
    ours = [
        (_names(g), g[0].backbone, *_cells(g[0].paper_counts)) for g in groups if g[0].paper_counts
    ]
    paper = markdown(("LR-ASPP", "backbone", *COUNTS), (*ours, *PUBLISHED), num_texts=2)
    return (
        f"{_title(SIZE, NUM_CLASSES)}\n\n{main}\n\n{_title(PAPER_SIZE, PAPER_CLASSES)}\n\n{paper}"
    )


def _title(size: tuple[int, int], num_classes: int) -> str:
    return f"At {size[0]}x{size[1]} px with {num_classes} classes:"


def _names(rows: Sequence[SegmenterRow]) -> str:
    return names_cell([row.name for row in rows])


def _cells(counts: Counts) -> tuple[str, str, str]:
    return (
        f"{counts.params / 1e6:.2f}",
        f"{counts.macs / 1e9:.2f}",
        f"{counts.peak_bytes / 1e6:.0f}",
    )
