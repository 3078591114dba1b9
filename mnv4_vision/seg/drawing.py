"""Label maps on photos, and legends. OpenCV only; images are uint8 BGR."""

from collections.abc import Sequence

import cv2
import numpy as np

from mnv4_vision.core.drawing import FONT, INK, PAPER, Style, plain_name
from mnv4_vision.datasets.masks.known import default_palette

__all__ = ["add_legend", "colour_labels", "default_palette", "draw_labels", "present_classes"]

NUM_LEGEND = 24  # classes that a legend names at most, those with most pixels


def colour_labels(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Return labels `(H, W)` as colours `(H, W, 3)` BGR; black where there is no class.

    Args:
        labels: Class numbers; what is not in the palette, such as 255, is no class.
        palette: `(K, 3)` RGB.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8).reshape(-1, 3)[:, ::-1]
    return cv2.LUT(cv2.merge([_bytes(labels)] * 3), table.reshape(256, 1, 3))


def draw_labels(
    image: np.ndarray,
    labels: np.ndarray,
    palette: Sequence[Sequence[int]],
    *,
    opacity: float = 0.6,
) -> np.ndarray:
    """Lay the colours of a label map over a photo; what has no class keeps the photo's.

    Args:
        image: `(H, W, 3)` uint8, BGR.
        labels: `(H, W)` class numbers, 255 for none.
        palette: `(K, 3)` RGB.
        opacity: Share of the colour.

    Returns:
        A new image of the same size.
    """
    labels = _bytes(labels)
    blended = cv2.addWeighted(image, 1 - opacity, colour_labels(labels, palette), opacity, 0)
    labelled = labels < len(palette)
    return np.where(labelled[..., None], blended, image)


def present_classes(*maps: np.ndarray, num_classes: int) -> list[int]:
    """Return the classes in some label maps, those with most pixels first."""
    counts = sum(np.bincount(_bytes(labels).ravel(), minlength=256) for labels in maps)
    order = np.argsort(-counts[:num_classes], kind="stable")
    return [int(label) for label in order if counts[label]]


def add_legend(
    image: np.ndarray,
    labels: Sequence[int],
    palette: Sequence[Sequence[int]],
    class_names: Sequence[str] | None = None,
) -> np.ndarray:
    """Put the names of some classes, each beside its colour, in lines below an image.

    Args:
        image: `(H, W, 3)` uint8, BGR.
        labels: Classes to name; the first `NUM_LEGEND` are.
        palette: `(K, 3)` RGB.
        class_names: Their numbers by default.
    """
    style = Style.of(image)
    (_, letter), base = cv2.getTextSize("Xg", FONT, style.font_scale, style.font_line)
    line, patch, x, y = letter + base + style.margin, letter, style.margin, style.margin
    places = []
    for label in labels[:NUM_LEGEND]:
        text = plain_name(label, class_names)
        (width, _), _ = cv2.getTextSize(text, FONT, style.font_scale, style.font_line)
        width += patch + 4 * style.margin
        if x > style.margin and x + width > image.shape[1]:
            x, y = style.margin, y + line
        places.append((label, text, x, y))
        x += width
    strip = np.full((y + line if places else 0, image.shape[1], 3), PAPER, np.uint8)
    for label, text, x, y in places:
        colour = tuple(int(part) for part in palette[label][::-1])
        cv2.rectangle(strip, (x, y), (x + patch, y + patch), colour, cv2.FILLED)
        cv2.rectangle(strip, (x, y), (x + patch, y + patch), INK, 1)
        origin = (x + patch + style.margin, y + letter)
        cv2.putText(strip, text, origin, FONT, style.font_scale, INK, style.font_line, cv2.LINE_AA)
    return np.vstack([image, strip])


def _bytes(labels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(labels, np.uint8)
