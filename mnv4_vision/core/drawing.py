"""What every task draws with: class colours, text, contact sheets. Images are uint8 BGR."""

import colorsys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = [
    "FONT",
    "INK",
    "PAPER",
    "Style",
    "add_title",
    "class_colour",
    "contact_sheet",
    "fit_into",
    "plain_name",
]

FONT = cv2.FONT_HERSHEY_SIMPLEX
GOLDEN_RATIO = 0.61803398875
PAPER = (248, 248, 248)
INK = (40, 40, 40)


@dataclass(frozen=True)
class Style:
    """Sizes in pixels that follow the image, so that small and large images look alike.

    Attributes:
        line: Width of lines.
        font_scale: Factor to OpenCV's own size of `FONT`.
        font_line: Width of the strokes of letters.
        margin: Space around texts.
    """

    line: int
    font_scale: float
    font_line: int
    margin: int

    @classmethod
    def of(cls, image: np.ndarray) -> "Style":
        """Return the sizes for an image `(H, W, 3)`."""
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


def plain_name(label: int, names: Sequence[str] | None) -> str:
    """Return the name of a class in the letters that OpenCV has, its number where none is left."""
    name = str(names[label]) if names is not None and label < len(names) else str(label)
    # OpenCV's fonts are ASCII: accents go, other scripts become question marks or a number.
    name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    name = "".join(c for c in name.encode("ascii", "replace").decode() if c.isprintable())
    return name if any(c.isalnum() for c in name) else f"class {label}"


def add_title(image: np.ndarray, title: str) -> np.ndarray:
    """Put a strip with a title above an image."""
    style = Style.of(image)
    (_, text_height), base = cv2.getTextSize(title, FONT, style.font_scale, style.font_line)
    strip = np.full((text_height + base + 2 * style.margin, image.shape[1], 3), PAPER, np.uint8)
    origin = (style.margin, text_height + style.margin)
    cv2.putText(strip, title, origin, FONT, style.font_scale, INK, style.font_line, cv2.LINE_AA)
    return np.vstack([strip, image])


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
