"""Charts of classification reports. matplotlib is imported when something is drawn."""

from collections.abc import Sequence

import numpy as np

from mnv4_vision.cls.evaluation.calibration import EDGES, NUM_BINS, Calibration
from mnv4_vision.core.charts import draw_confusion, new_figure, png
from mnv4_vision.core.confusion import largest_confusions

__all__ = ["draw_largest_confusions", "draw_reliability"]

CHARTED_CLASSES = 40
OTHERS = "(others)"


def draw_largest_confusions(
    confusion: np.ndarray, class_names: Sequence[str], count: int = CHARTED_CLASSES
) -> bytes:
    """Draw a confusion matrix; of more than `count` classes, those of the largest confusions.

    All others then share a last row and column, so that each row has all of its images.

    Args:
        confusion: `(K, K)` images, annotated classes by predicted ones.
        class_names: K names.
        count: classes that can be told apart in a picture.
    """
    if len(class_names) <= count:
        return draw_confusion(confusion, class_names, class_names)
    chosen = most_confused(confusion, count)
    names = [*(class_names[number] for number in chosen), OTHERS]
    return draw_confusion(_with_others(confusion, chosen), names, names)


def most_confused(confusion: np.ndarray, count: int) -> list[int]:
    """Return up to `count` classes from the largest confusions on, partners side by side."""
    pairs = largest_confusions(confusion, count * count)
    return list(dict.fromkeys(number for pair in pairs for number in pair))[:count]


def _with_others(confusion: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Sum up all classes but the chosen ones; `(n + 1, n + 1)`, the others last."""
    groups = np.full(len(confusion), len(chosen))
    groups[chosen] = range(len(chosen))
    summed = np.zeros((len(chosen) + 1,) * 2, dtype=confusion.dtype)
    np.add.at(summed, (groups[:, None], groups[None]), confusion)
    return summed


def draw_reliability(calibration: Calibration) -> bytes:
    """Draw accuracy over confidence, and below it how many images there are.

    The picture is the reliability diagram of Guo et al. (2017), figure 1.
    """
    figure = new_figure(5, 5.5)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middles, width = (EDGES[:-1] + EDGES[1:]) / 2, 0.9 / NUM_BINS
    accuracy, confidence = calibration.accuracy, calibration.mean_confidence
    above.bar(middles, np.nan_to_num(accuracy), width, color="#3b75af", label="accuracy")
    above.plot(confidence, accuracy, "ko", ms=4, clip_on=False, label="at the mean confidence")
    above.plot((0, 1), (0, 1), "--", color="grey", label="calibrated")
    above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    above.legend(fontsize=9, loc="upper left")
    below.bar(middles, calibration.images, width, color="grey")
    below.set(xlabel="confidence: the largest probability", ylabel="images")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return png(figure)
