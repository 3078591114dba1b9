"""Charts as PNG for the reports of every task. matplotlib is imported when something is drawn."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["chart_names", "draw_confusion", "new_figure", "plain_names", "png"]

LABELLED_CLASSES = 100
COUNTED_CLASSES = 15
NAME_LENGTH = 20


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of so many inches, at 120 dots an inch."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def png(figure: "Figure") -> bytes:
    """Return a figure as the content of a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def chart_names(class_names: Sequence[str]) -> list[str]:
    """Shorten long names; one that the charts' font cannot write becomes its class's number."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    has = get_font(findfont(FontProperties())).get_char_index
    names = [
        name if all(has(ord(character)) for character in name) else f"class {number}"
        for number, name in enumerate(class_names)
    ]
    return [name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…" for name in names]


def plain_names(class_names: Sequence[str]) -> list[str]:
    """Return `chart_names` with nothing in them that matplotlib takes for mathematics."""
    return [name.replace("$", r"\$") for name in chart_names(class_names)]


def draw_confusion(
    confusion: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, percent: bool = False
) -> bytes:
    """Draw a confusion matrix; colours are shares of a row, numbers are counts.

    Args:
        confusion: `(K, K)` counts, annotated classes by predicted ones.
        rows: names of the annotated classes.
        columns: names of the predicted classes.
        percent: write the shares instead of the counts, which pixels make too long.
    """
    size = len(confusion)
    # At most as wide as the page: the labels of 80 classes would be shrunk beyond reading.
    inches = float(np.clip(3 + 0.35 * size, 5, 9))
    figure = new_figure(inches, inches)
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if size <= COUNTED_CLASSES + 1:
        numbers = np.round(100 * share).astype(int) if percent else confusion
        for row, column in np.argwhere(numbers > 0):
            ink = "white" if share[row, column] > 0.5 else "black"
            text = str(numbers[row, column])
            axes.text(column, row, text, color=ink, ha="center", va="center", fontsize=9)
    if size <= LABELLED_CLASSES + 1:
        font = {"fontsize": min(9, 500 / size)}
        axes.set_xticks(range(size), plain_names(columns), rotation=90, **font)
        axes.set_yticks(range(size), plain_names(rows), **font)
    axes.set(xlabel="predicted", ylabel="annotated")
    return png(figure)
