"""Loss and validation curves as a picture. matplotlib is imported when something is drawn."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Row", "draw_curves"]

MAX_LINES = 6

Row = dict[str, Any]


def draw_curves(rows: Sequence[Row], metrics: Sequence[str] | None = None) -> bytes:
    """Draw losses (left) and validation metrics (right) over the iterations.

    Args:
        rows: As `HistoryHook` writes them.
        metrics: Names to draw on the right; by default the first six that are of no single class.

    Returns:
        A PNG of 1440 x 600 px.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    train = [row for row in rows if row["mode"] == "train"]
    val = [row for row in rows if row["mode"] == "val"]
    losses = sorted((n for n in _names(train) if "loss" in n), key=lambda n: n != "loss")
    _plot(left, train, losses[:MAX_LINES], "loss")
    _plot(left, [{**row, "validation loss": row.get("loss")} for row in val], ["validation loss"])
    scores = [name for name in _names(val) if "loss" not in name and name.count("/") < 2]
    _plot(right, val, list(metrics or scores)[:MAX_LINES], "validation")
    values = [row["loss"] for row in train if row.get("loss")]
    if values and min(values) > 0 and max(values) > 20 * min(values):
        left.set_yscale("log")
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def _names(rows: Sequence[Row]) -> list[str]:
    """Names of the numbers in `rows`, in the order of appearance."""
    names = {name: None for row in rows for name in row}
    return [name for name in names if name not in ("mode", "epoch", "iter")]


def _plot(axes: "Axes", rows: Sequence[Row], names: Sequence[str], title: str = "") -> None:
    """Plot each name with its last value in the legend; a few points are marked.

    Without a title, the lines join those that are drawn.
    """
    drawn = False
    for position, name in enumerate(names):
        # COCO's -1 means that there is nothing to measure, such as no small objects.
        points = [(r["iter"], r[name]) for r in rows if r.get(name) is not None and r[name] != -1]
        if points:
            marker = "o" if len(points) <= 40 else None
            axes.plot(
                *zip(*points, strict=True),
                label=f"{name} = {points[-1][1]:.4g}",
                linewidth=2.0 if position == 0 else 1.2,
                marker=marker,
                markersize=3.5,
            )
            drawn = True
    if title:
        axes.set_title(title)
        axes.set_xlabel(_x_label(rows))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend(fontsize=9)


def _x_label(rows: Sequence[Row]) -> str:
    return f"iteration (epoch {rows[-1]['epoch']} at the right end)" if rows else "iteration"
