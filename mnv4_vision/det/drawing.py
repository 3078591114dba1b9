"""Boxes on images, truth beside prediction, contact sheets. OpenCV only; images are uint8 BGR."""

import colorsys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["class_colour", "contact_sheet", "draw_comparison", "draw_detections", "fit_into"]

FONT = cv2.FONT_HERSHEY_SIMPLEX
GOLDEN_RATIO = 0.61803398875
PAPER = (248, 248, 248)
INK = (40, 40, 40)


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels that follow the image, so that small and large images look alike."""

    line: int
    font_scale: float
    font_line: int
    margin: int

    @classmethod
    def of(cls, image: np.ndarray) -> "_Style":
        side = min(image.shape[:2])
        scale = float(np.clip(side / 1000, 0.35, 1.6))
        return cls(
            line=max(1, round(side / 250)),
            font_scale=scale,
            font_line=max(1, round(scale * 1.6)),
            margin=max(2, round(scale * 6)),
        )


def class_colour(label: int) -> tuple[int, int, int]:
    """Return the BGR colour of a class: golden-ratio steps of hue, so neighbours differ."""
    hue = (0.58 + label * GOLDEN_RATIO) % 1.0
    # Three shades, so that the many classes of COCO do not crowd the same circle of hues.
    saturation, value = ((0.78, 0.92), (0.9, 0.72), (0.55, 0.98))[label % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(blue * 255), round(green * 255), round(red * 255)


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
    style = _Style.of(canvas)
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
    panels = [_titled(panel, title) for panel, title in zip((left, right), titles, strict=True)]
    gap = np.full((panels[0].shape[0], 4 * _Style.of(image).margin, 3), PAPER, dtype=np.uint8)
    return np.hstack([panels[0], gap, panels[1]])


def contact_sheet(
    images: Sequence[np.ndarray],
    columns: int,
    *,
    cell_size: tuple[int, int] | None = None,
    padding: int = 8,
) -> np.ndarray:
    """Lay images out in a grid, each centred in its cell.

    Args:
        images: uint8 BGR images, at least one.
        columns: images per row; fewer if there are fewer images.
        cell_size: `(width, height)` in pixels that images are scaled to fit; by default the
            largest width and height among them, nothing is scaled.
        padding: pixels around and between the cells.
    """
    if not images:
        raise ValueError("contact_sheet needs at least one image")
    columns = max(1, min(columns, len(images)))
    rows = -(-len(images) // columns)
    if cell_size is None:
        width, height = (max(image.shape[axis] for image in images) for axis in (1, 0))
    else:
        width, height = cell_size
        images = [fit_into(image, cell_size) for image in images]
    sheet_shape = (rows * (height + padding) + padding, columns * (width + padding) + padding, 3)
    sheet = np.full(sheet_shape, PAPER, dtype=np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        y = padding + row * (height + padding) + (height - image.shape[0]) // 2
        x = padding + column * (width + padding) + (width - image.shape[1]) // 2
        sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
    return sheet


def fit_into(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale an image up or down, keeping its proportions, to fit `(width, height)` pixels."""
    height, width = image.shape[:2]
    factor = min(size[0] / width, size[1] / height)
    new = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, new, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def _rectangle(canvas: np.ndarray, box: np.ndarray, colour: tuple, style: _Style) -> None:
    height, width = canvas.shape[:2]
    limit = np.array([width - 1, height - 1] * 2)
    x1, y1, x2, y2 = (int(v) for v in np.clip(np.round(box), 0, limit))
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, style.line)


def _caption(label: int, score: float | None, names: Sequence[str] | None) -> str:
    name = str(names[label]) if names is not None and label < len(names) else str(label)
    # OpenCV's fonts are ASCII: accents go, other scripts become question marks or a number.
    name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    name = "".join(c for c in name.encode("ascii", "replace").decode() if c.isprintable())
    if not any(c.isalnum() for c in name):
        name = f"class {label}"
    return name if score is None else f"{name} {score:.2f}"


def _tag(canvas: np.ndarray, box: np.ndarray, text: str, colour: tuple, style: _Style) -> None:
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


def _titled(image: np.ndarray, title: str) -> np.ndarray:
    style = _Style.of(image)
    (_, text_height), base = cv2.getTextSize(title, FONT, style.font_scale, style.font_line)
    strip = np.full((text_height + base + 2 * style.margin, image.shape[1], 3), PAPER, np.uint8)
    origin = (style.margin, text_height + style.margin)
    cv2.putText(strip, title, origin, FONT, style.font_scale, INK, style.font_line, cv2.LINE_AA)
    return np.vstack([strip, image])
