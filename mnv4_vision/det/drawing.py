"""Boxes on images, truth beside prediction. OpenCV only; images are uint8 BGR."""

from collections.abc import Sequence

import cv2
import numpy as np

from mnv4_vision.core.drawing import FONT, INK, PAPER, Style, add_title, class_colour, plain_name

__all__ = ["draw_comparison", "draw_detections"]


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    score_threshold: float = 0.0,
) -> np.ndarray:
    """Draw boxes with class name and score on a copy of the image.

    Args:
        image: `(H, W, 3)` uint8, BGR.
        boxes: `(N, 4)` xyxy in pixels.
        labels: `(N,)` class numbers.
        scores: `(N,)`; None for ground truth, drawn without a number.
        class_names: names of the classes; their numbers by default.
        score_threshold: leave out boxes below it.

    Returns:
        A new image of the same size.
    """
    canvas = np.ascontiguousarray(image).copy()
    style = Style.of(canvas)
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    order = range(len(boxes))
    if scores is not None:  # the surest on top
        order = [i for i in np.argsort(scores, kind="stable") if scores[i] >= score_threshold]
    for i in order:
        _rectangle(canvas, boxes[i], class_colour(int(labels[i])), style)
    for i in order:  # after all boxes, so that no line crosses a text
        text = _caption(int(labels[i]), None if scores is None else scores[i], class_names)
        _tag(canvas, boxes[i], text, class_colour(int(labels[i])), style)
    return canvas


def draw_comparison(
    image: np.ndarray,
    truth: tuple[np.ndarray, Sequence[int]],
    prediction: tuple[np.ndarray, Sequence[int], Sequence[float]],
    class_names: Sequence[str] | None = None,
    *,
    score_threshold: float = 0.3,
) -> np.ndarray:
    """Draw the annotated boxes on the left and the predicted ones on the right.

    Args:
        image: `(H, W, 3)` uint8, BGR.
        truth: boxes `(M, 4)` xyxy and labels.
        prediction: boxes `(N, 4)` xyxy, labels and scores.
        class_names: names of the classes.
        score_threshold: leave out predictions below it.

    Returns:
        `(H + strip, 2 W + gap, 3)` image.
    """
    boxes, labels, scores = prediction
    left = draw_detections(image, *truth, class_names=class_names)
    right = draw_detections(
        image, boxes, labels, scores, class_names, score_threshold=score_threshold
    )
    titles = ("annotated", f"predicted, score >= {score_threshold:g}")
    panels = [add_title(panel, title) for panel, title in zip((left, right), titles, strict=True)]
    gap = np.full((panels[0].shape[0], 4 * Style.of(image).margin, 3), PAPER, dtype=np.uint8)
    return np.hstack([panels[0], gap, panels[1]])


def _rectangle(canvas: np.ndarray, box: np.ndarray, colour: tuple, style: Style) -> None:
    height, width = canvas.shape[:2]
    limit = np.array([width - 1, height - 1] * 2)
    x1, y1, x2, y2 = (int(v) for v in np.clip(np.round(box), 0, limit))
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, style.line)


def _caption(label: int, score: float | None, names: Sequence[str] | None) -> str:
    name = plain_name(label, names)
    return name if score is None else f"{name} {score:.2f}"


def _tag(canvas: np.ndarray, box: np.ndarray, text: str, colour: tuple, style: Style) -> None:
    """Write text on a filled tag above the box, or inside it at the image's upper edge."""
    height, width = canvas.shape[:2]
    (text_width, text_height), base = cv2.getTextSize(text, FONT, style.font_scale, style.font_line)
    tag_width, tag_height = text_width + 2 * style.margin, text_height + base + style.margin
    x = int(np.clip(round(box[0]) - style.line // 2, 0, max(0, width - tag_width)))
    top = round(box[1]) - tag_height
    y = int(np.clip(top if top >= 0 else round(box[1]), 0, max(0, height - tag_height)))
    cv2.rectangle(canvas, (x, y), (x + tag_width - 1, y + tag_height - 1), colour, cv2.FILLED)
    blue, green, red = colour
    ink = INK if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else (255, 255, 255)
    origin = (x + style.margin, y + text_height + style.margin // 2)
    cv2.putText(canvas, text, origin, FONT, style.font_scale, ink, style.font_line, cv2.LINE_AA)
