"""Classes written below photos. OpenCV only; images are uint8 BGR."""

from collections.abc import Sequence

import cv2
import numpy as np

from mnv4_vision.core.drawing import FONT, INK, PAPER, Style

__all__ = ["write_below"]


def write_below(image: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Put lines of text below an image, widened with paper where it is narrower than they are.

    Args:
        image: `(H, W, 3)` uint8, BGR.
        lines: ASCII, as `plain_name` makes it.
    """
    style = Style.of(image)
    sizes = [cv2.getTextSize(line, FONT, style.font_scale, style.font_line)[0] for line in lines]
    (_, letter), base = cv2.getTextSize("Xg", FONT, style.font_scale, style.font_line)
    pitch = letter + base + style.margin
    height, width = image.shape[:2]
    wide = max([width, *(size[0] + 2 * style.margin for size in sizes)])
    canvas = np.full((height + pitch * len(lines) + style.margin, wide, 3), PAPER, np.uint8)
    canvas[:height, :width] = image
    for number, line in enumerate(lines):
        origin = (style.margin, height + pitch * number + style.margin + letter)
        cv2.putText(canvas, line, origin, FONT, style.font_scale, INK, style.font_line, cv2.LINE_AA)
    return canvas
