"""Precision-recall curves as PNG. matplotlib is imported when drawing."""

from collections.abc import Sequence

import numpy as np

from mnv4_vision.core.charts import new_figure, plain_names, png

__all__ = ["draw_precision_recall"]

LEGEND_CLASSES = 10
PANELS = {"IoU 0.50": 0, "IoU 0.75": 5}  # title: row of the precision array


def draw_precision_recall(precision: np.ndarray, class_names: Sequence[str]) -> bytes:
    """Draw precision over recall at IoU 0.5 and 0.75, a line per class and their mean.

    Args:
        precision: `(10 IoUs, 101 recalls, classes)` as COCO accumulates it, -1 where undefined.
        class_names: names of the classes; beyond ten, only the mean is named.

    Returns:
        A PNG of 1320 x 540 px.
    """
    figure = new_figure(11, 4.5)
    named = len(class_names) <= LEGEND_CLASSES
    labels = plain_names(class_names)
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
    return png(figure)
