"""Pictures of the images that were segmented worst: photo, truth, prediction, errors."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from mnv4_vision.core.drawing import add_title, contact_sheet
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import read_image
from mnv4_vision.datasets.masks import IGNORED
from mnv4_vision.seg.drawing import add_legend, draw_labels, present_classes
from mnv4_vision.seg.evaluation.tally import WorstImage

__all__ = ["draw_worst", "error_map"]

SIDE_PX = 480
JPEG_QUALITY = 80
WRONG, RIGHT = (60, 60, 230), (190, 190, 190)  # BGR: red on light grey
UNKNOWN = (90, 90, 90)


def draw_worst(
    images: Sequence[WorstImage], palette: Sequence[Sequence[int]], class_names: Sequence[str]
) -> Iterator[tuple[bytes | None, str]]:
    """Yield a JPEG and its caption for each image.

    Where a photo cannot be read, the JPEG is None and the caption says why.

    Args:
        images: the worst first.
        palette: `(K, 3)` RGB.
        class_names: K names.
    """
    for image in images:
        try:
            photo = read_image(image.file)
        except InputError as error:
            yield None, str(error)
            continue
        drawn = _panels(photo, image, palette, class_names)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        jpeg = cv2.imencode(".jpg", drawn, quality)[1].tobytes()
        yield jpeg, _caption(image, class_names)


def error_map(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return `(H, W, 3)` BGR: wrong pixels red, right ones light, ignored ones dark grey."""
    colours = np.array([RIGHT, WRONG, UNKNOWN], dtype=np.uint8)
    kinds = (truth != prediction).astype(np.uint8)
    kinds[truth == IGNORED] = 2
    return colours[kinds]


def _panels(
    photo: np.ndarray,
    image: WorstImage,
    palette: Sequence[Sequence[int]],
    class_names: Sequence[str],
) -> np.ndarray:
    height, width = image.truth.shape
    scale = min(1.0, SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    truth, prediction = (
        cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        for labels in (image.truth, image.prediction)
    )
    pictures = {
        "photo": photo,
        "annotated": draw_labels(photo, truth, palette),
        "predicted": draw_labels(photo, prediction, palette),
        "wrong (red)": error_map(truth, prediction),
    }
    panels = [add_title(picture, title) for title, picture in pictures.items()]
    sheet = contact_sheet(panels, columns=2)
    shown = present_classes(truth, prediction, num_classes=len(class_names))
    return add_legend(sheet, shown, palette, class_names)


def _caption(image: WorstImage, class_names: Sequence[str]) -> str:
    mistakes = [
        f", {class_names[annotated]} as {class_names[predicted]} {100 * share:.0f} %"
        for annotated, predicted, share in image.confusions
    ]
    return f"{image.file}: mIoU {image.iou:.3f}{''.join(mistakes)}"
