"""Distributions of a detection set: classes, box sizes, aspect ratios, boxes per image."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnv4_vision.core.charts import new_figure, png
from mnv4_vision.core.files import write_atomic
from mnv4_vision.datasets._coco_json import read_coco_json
from mnv4_vision.datasets.verification.checks import summarise
from mnv4_vision.datasets.verification.summary import SIZE_CLASSES, SplitSummary, format_summaries
from mnv4_vision.datasets.verification.usable import usable_content
from mnv4_vision.datasets.verification.verify import SplitPaths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "MAX_BARS",
    "SplitStatistics",
    "draw_bars",
    "draw_histograms",
    "draw_ratios",
    "draw_statistics",
    "measure",
    "percentiles",
    "to_png",
    "write_statistics",
]

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
MAX_BARS = 30
COLOURS = ("#2f6fb5", "#d9822b")


@dataclass(frozen=True)
class SplitStatistics:
    """Numbers of one split; crowd and ignored regions are left out.

    Attributes:
        sizes_px: Square root of the area of each box, `(N,)`.
        aspect_ratios: Width over height of each box, `(N,)`.
        boxes_per_image: `(M,)`, zeros included.
    """

    sizes_px: np.ndarray
    aspect_ratios: np.ndarray
    boxes_per_image: np.ndarray


def measure(content: Mapping[str, Sequence[Mapping[str, Any]]]) -> SplitStatistics:
    """Measure the boxes of a COCO file's content, which must be usable."""
    counts = {image["id"]: 0 for image in content["images"]}
    sides, areas = [], []
    for annotation in content["annotations"]:
        if not (annotation.get("iscrowd") or annotation.get("ignore")):
            counts[annotation["image_id"]] += 1
            sides.append(annotation["bbox"][2:])
            areas.append(annotation["area"])
    width, height = np.array(sides, np.float64).reshape(-1, 2).T
    sizes = np.sqrt(np.array(areas, np.float64))
    return SplitStatistics(sizes, width / height, np.array(list(counts.values()), np.int64))


def write_statistics(splits: Mapping[str, SplitPaths], out: Path) -> str:
    """Write `out/stats.json` (counts and percentiles) and `out/stats.png`.

    Returns:
        The printed summary.

    Raises:
        InputError: A file is no COCO detection file.
    """
    summaries, statistics, content = {}, {}, {}
    for split, paths in splits.items():
        records = read_coco_json(paths.ann_file)
        summaries[split] = summarise(paths.ann_file, records)
        statistics[split] = measure(usable_content(records))
        content[split] = {
            **summaries[split].as_dict(),
            "percentiles": percentiles(vars(statistics[split])),
        }
    write_atomic(out / "stats.json", json.dumps(content, indent=1).encode())
    write_atomic(out / "stats.png", draw_statistics(summaries, statistics))
    return format_summaries(summaries)


def draw_statistics(
    summaries: Mapping[str, SplitSummary], statistics: Mapping[str, SplitStatistics]
) -> bytes:
    """Draw the four distributions, a colour for each split.

    Returns:
        A PNG of 1440 x 1080 px.
    """
    figure = new_figure(12, 9)
    classes, sizes, ratios, counts = figure.subplots(2, 2).ravel()
    _draw_classes(classes, summaries)
    _draw_sizes(sizes, statistics)
    draw_ratios(ratios, {s: n.aspect_ratios for s, n in statistics.items()}, "boxes")
    _draw_counts(counts, statistics)
    for axes in (classes, sizes, ratios, counts):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    return to_png(figure)


def to_png(figure: "Figure") -> bytes:
    """Return a figure as the content of a PNG file."""
    with warnings.catch_warnings():  # letters that matplotlib's font lacks are drawn as boxes
        warnings.simplefilter("ignore", UserWarning)
        return png(figure)


def draw_bars(
    axes: "Axes", names: Sequence[str], shares: Mapping[str, Sequence[float]], left_out: int = 0
) -> None:
    """Draw a row of bars for each class, one for each split.

    Args:
        axes: Where to.
        names: Classes shown, from the top.
        shares: Legend of each split to the percentages of these classes.
        left_out: Number of classes that are not among `names`, for the title.
    """
    height = 0.8 / len(shares)
    for row, (label, values) in enumerate(shares.items()):
        places = np.arange(len(names)) + row * height
        axes.barh(places, values, height, label=label, color=COLOURS[row % len(COLOURS)])
    axes.set_yticks(np.arange(len(names)) + 0.4 - height / 2, map(_plain, names))
    axes.tick_params(axis="y", labelsize=9 if len(names) <= 15 else 6)
    axes.invert_yaxis()
    total = len(names) + left_out
    axes.set_title(f"classes, the first {len(names)} of {total}" if left_out else "classes")


def percentiles(quantities: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return percentiles of each quantity, none of what there is nothing of."""
    return {
        name: dict(zip(map(str, PERCENTILES), np.percentile(values, PERCENTILES), strict=True))
        for name, values in quantities.items()
        if len(values)
    }


def _draw_classes(axes: "Axes", summaries: Mapping[str, SplitSummary]) -> None:
    """Bars of the share of each class, so that splits of any size can be compared."""
    first = next(iter(summaries.values()))
    names = sorted(first.classes, key=lambda name: -first.class_counts[name])
    shown = names[:MAX_BARS]
    shares = {
        f"{split}: {summary.num_boxes} boxes": [
            100 * summary.class_counts[name] / max(1, summary.num_boxes) for name in shown
        ]
        for split, summary in summaries.items()
    }
    draw_bars(axes, shown, shares, len(names) - len(shown))
    axes.set_xlabel("% of the boxes")


def _draw_sizes(axes: "Axes", statistics: Mapping[str, SplitStatistics]) -> None:
    found = np.concatenate([numbers.sizes_px for numbers in statistics.values()])
    low, high = (found.min(), found.max()) if len(found) else (32.0, 96.0)
    edges = np.geomspace(0.97 * low, 1.03 * high, 41)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    draw_histograms(axes, {s: n.sizes_px for s, n in statistics.items()}, edges)
    for name, limit in SIZE_CLASSES[:-1]:
        axes.axvline(limit**0.5, color="black", linewidth=1, linestyle="--")
        text = f"{name} below {limit**0.5:g}"
        axes.text(limit**0.5, 0.98, text, transform=axes.get_xaxis_transform(),
                  rotation=90, ha="right", va="top", fontsize=8)  # fmt: skip
    axes.set_title("box sizes")
    axes.set_xlabel("square root of the area, px")
    axes.set_ylabel("% of the boxes")


def draw_ratios(axes: "Axes", ratios: Mapping[str, np.ndarray], records: str) -> None:
    """Draw the aspect ratios of each split's `records`, a word for the axis."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    edges = 2.0 ** np.linspace(-4, 4, 41)
    values = {split: np.clip(found, edges[0], edges[-1]) for split, found in ratios.items()}
    draw_histograms(axes, values, edges)
    axes.set_title("aspect ratios")
    axes.set_xlabel("width / height")
    axes.set_ylabel(f"% of the {records}")


def _draw_counts(axes: "Axes", statistics: Mapping[str, SplitStatistics]) -> None:
    most = max(int(n.boxes_per_image.max(initial=0)) for n in statistics.values())
    edges = np.arange(0, most + 2, max(1, most // 40)) - 0.5
    edges = np.append(edges, edges[-1] + max(1, most // 40))
    draw_histograms(axes, {s: n.boxes_per_image for s, n in statistics.items()}, edges)
    axes.set_title("boxes per image")
    axes.set_xlabel("boxes")
    axes.set_ylabel("% of the images")


def draw_histograms(axes: "Axes", values: Mapping[str, np.ndarray], edges: np.ndarray) -> None:
    """Draw a histogram for each split, in per cent of its values."""
    for row, (split, numbers) in enumerate(values.items()):
        median = f", median {np.median(numbers):.3g}" if len(numbers) else ""
        weights = np.full(len(numbers), 100 / max(1, len(numbers)))
        colour = COLOURS[row % len(COLOURS)]
        axes.hist(numbers, edges, weights=weights, histtype="stepfilled", alpha=0.35, color=colour,
                  label=f"{split}{median}")  # fmt: skip
        axes.hist(numbers, edges, weights=weights, histtype="step", color=colour)


def _plain(name: str) -> str:
    """Keep matplotlib from reading `$` in a class name as mathematics."""
    return name.replace("$", r"\$")
