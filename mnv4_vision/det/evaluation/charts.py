"""Precision-recall curves and the confusion matrix as PNG. matplotlib is imported when drawing."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["chart_names", "draw_confusion", "draw_precision_recall"]

LEGEND_CLASSES = 10
LABELLED_CLASSES = 100
COUNTED_CLASSES = 15
NAME_LENGTH = 20
PANELS = {"IoU 0.50": 0, "IoU 0.75": 5}  # title: row of the precision array


def chart_names(class_names: Sequence[str]) -> list[str]:
    """Shorten long names; one that the charts' font cannot write becomes its class's number."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    has = get_font(findfont(FontProperties())).get_char_index
    names = [
        name if all(has(ord(character)) for character in name) else f"class {number}"
        for number, name in enumerate(class_names)
    ]
    return [name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…" for name in names]


def draw_precision_recall(precision: np.ndarray, class_names: Sequence[str]) -> bytes:
    """Draw precision over recall at IoU 0.5 and 0.75, a line per class and their mean.

    Args:
        precision: `(10 IoUs, 101 recalls, classes)` as COCO accumulates it, -1 where undefined.
        class_names: names of the classes; beyond ten, only the mean is named.

    Returns:
        A PNG of 1320 x 540 px.
    """
    figure = _new_figure(11, 4.5)
    named = len(class_names) <= LEGEND_CLASSES
    labels = _plain(chart_names(class_names))
    recall = np.linspace(0, 1, precision.shape[1])
    for axes, (title, row) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        valid = [k for k in range(len(class_names)) if (precision[row, :, k] > -1).all()]
        for k in valid:
            style = {"label": labels[k]} if named else {"color": "0.7", "linewidth": 0.6}
            axes.plot(recall, precision[row, :, k], **style)
        if valid:
            mean = precision[row][:, valid].mean(axis=1)
            axes.plot(recall, mean, "k--", linewidth=2, label=f"mean, AP {mean.mean():.3f}")
            axes.legend(fontsize=9, loc="lower left")
        axes.set(title=title, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    return _png(figure)


def draw_confusion(confusion: np.ndarray, class_names: Sequence[str]) -> bytes:
    """Draw a confusion matrix; colours are shares of a row, numbers are counts.

    Args:
        confusion: `(K + 1, K + 1)`, annotated classes by predicted ones, the last is "nothing".
        class_names: `K` names.
    """
    size = len(confusion)
    # At most as wide as the page: the labels of 80 classes would be shrunk beyond reading.
    inches = float(np.clip(3 + 0.35 * size, 5, 9))
    figure = _new_figure(inches, inches)
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if size <= COUNTED_CLASSES + 1:
        for row, column in np.argwhere(confusion > 0):
            ink = "white" if share[row, column] > 0.5 else "black"
            text = str(confusion[row, column])
            axes.text(column, row, text, color=ink, ha="center", va="center", fontsize=9)
    if size <= LABELLED_CLASSES + 1:
        labels, font = _plain(chart_names(class_names)), {"fontsize": min(9, 500 / size)}
        axes.set_xticks(range(size), [*labels, "(missed)"], rotation=90, **font)
        axes.set_yticks(range(size), [*labels, "(nothing)"], **font)
    axes.set(xlabel="predicted", ylabel="annotated")
    return _png(figure)


def _new_figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def _plain(names: Sequence[str]) -> list[str]:
    # A $ would start mathematics.
    return [name.replace("$", r"\$") for name in names]
