"""Distributions of a classification set: classes, image sizes, aspect ratios."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnv4_vision.core.charts import new_figure
from mnv4_vision.core.files import write_atomic
from mnv4_vision.datasets.image_folders.image_split import ImageSplit
from mnv4_vision.datasets.image_folders.summary import ImageSummary
from mnv4_vision.datasets.image_folders.verification import verify_images
from mnv4_vision.datasets.verification.statistics import (
    MAX_BARS,
    draw_bars,
    draw_histograms,
    draw_ratios,
    percentiles,
    to_png,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_image_statistics", "write_image_statistics"]


def write_image_statistics(splits: Mapping[str, ImageSplit], out: Path) -> str:
    """Write `out/stats.json` (counts, shares and percentiles) and `out/stats.png`.

    Returns:
        The printed summary.
    """
    report = verify_images(splits)
    content = {
        split: {
            **summary.as_dict(),
            "class_counts": {name: summary.class_counts[name] for name in summary.classes},
            "class_percent": {name: summary.share(name) for name in summary.classes},
            "percentiles": percentiles(_quantities(summary.image_sizes)),
        }
        for split, summary in report.summaries.items()
    }
    write_atomic(out / "stats.json", json.dumps(content, indent=1).encode())
    write_atomic(out / "stats.png", draw_image_statistics(report.summaries))
    return report.describe_counts()


def draw_image_statistics(summaries: Mapping[str, ImageSummary]) -> bytes:
    """Draw the shares of the classes, the images' sizes and aspect ratios, a colour for each split.

    Returns:
        A PNG of 1440 px width; classes are sorted by their images in the first split.
    """
    first = next(iter(summaries.values()))
    names = sorted(first.classes, key=lambda name: -first.class_counts[name])
    shown = names[:MAX_BARS]
    shares = {
        f"{split}: {summary.num_images} images": [summary.share(name) for name in shown]
        for split, summary in summaries.items()
    }
    found = {split: _quantities(summary.image_sizes) for split, summary in summaries.items()}
    figure = new_figure(12, max(4, 2.5 + 0.22 * len(shown)))
    classes, sizes, ratios = figure.subplots(1, 3)
    draw_bars(classes, shown, shares, len(names) - len(shown))
    classes.set_xlabel("% of the images")
    _draw_sizes(sizes, {split: values["shorter_side_px"] for split, values in found.items()})
    draw_ratios(ratios, {s: values["aspect_ratio"] for s, values in found.items()}, "images")
    for axes in (classes, sizes, ratios):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return to_png(figure)


def _quantities(sizes: Counter[tuple[int, int]]) -> dict[str, np.ndarray]:
    """Return the values of each image, `(N,)`."""
    pairs = np.array(list(sizes), np.float64).reshape(-1, 2)
    width, height = np.repeat(pairs, np.array(list(sizes.values()), np.int64), axis=0).T
    return {
        "width_px": width,
        "height_px": height,
        "shorter_side_px": np.minimum(width, height),
        "aspect_ratio": width / height,
    }


def _draw_sizes(axes: "Axes", sides: Mapping[str, np.ndarray]) -> None:
    found = np.concatenate(list(sides.values()))
    low, high = (found.min(), found.max()) if len(found) else (32.0, 512.0)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    draw_histograms(axes, sides, np.geomspace(low / 1.5, 1.5 * high, 41))
    axes.set_title("image sizes")
    axes.set_xlabel("shorter side, px")
    axes.set_ylabel("% of the images")
