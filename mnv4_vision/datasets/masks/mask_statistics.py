"""Distributions of a segmentation set: pixels of each class, and the images that show it."""

import json
from collections.abc import Mapping
from pathlib import Path

from mnv4_vision.core.charts import new_figure
from mnv4_vision.core.files import write_atomic
from mnv4_vision.datasets.masks.mask_checks import MaskSplit
from mnv4_vision.datasets.masks.mask_summary import MaskSummary
from mnv4_vision.datasets.masks.verification import verify_masks
from mnv4_vision.datasets.verification.statistics import MAX_BARS, draw_bars, to_png

__all__ = ["draw_mask_statistics", "write_mask_statistics"]


def write_mask_statistics(splits: Mapping[str, MaskSplit], out: Path) -> str:
    """Write `out/stats.json` (counts and shares) and `out/stats.png`.

    Returns:
        The printed summary.
    """
    report = verify_masks(splits)
    content = {
        split: {
            **summary.as_dict(),
            "class_percent": {name: summary.share(name) for name in summary.classes},
            "ignored_percent": summary.ignored_share,
        }
        for split, summary in report.summaries.items()
    }
    write_atomic(out / "stats.json", json.dumps(content, indent=1).encode())
    write_atomic(out / "stats.png", draw_mask_statistics(report.summaries))
    return report.describe_counts()


def draw_mask_statistics(summaries: Mapping[str, MaskSummary]) -> bytes:
    """Draw the share of each class in the pixels and in the images, a colour for each split.

    Returns:
        A PNG of 1440 px width; classes are sorted by their pixels in the first split.
    """
    first = next(iter(summaries.values()))
    names = sorted(first.classes, key=lambda name: -first.class_pixels[name])
    shown = names[:MAX_BARS]
    pixels = {
        f"{split}: {summary.num_counted} masks, {summary.num_pixels / 1e6:.1f} million pixels, "
        f"{summary.ignored_share:.1f} % without class": [summary.share(name) for name in shown]
        for split, summary in summaries.items()
    }
    images = {
        split: [100 * summary.class_images[name] / max(1, summary.num_counted) for name in shown]
        for split, summary in summaries.items()
    }
    figure = new_figure(12, 2.5 + 0.22 * len(shown))
    left, right = figure.subplots(1, 2)
    for axes, shares, what in (
        (left, pixels, "% of the pixels that have a class"),
        (right, images, "% of the images"),
    ):
        draw_bars(axes, shown, shares, len(names) - len(shown))
        axes.set_xlabel(what)
        axes.grid(alpha=0.3)
    left.legend(fontsize=8, loc="lower right")
    return to_png(figure)
