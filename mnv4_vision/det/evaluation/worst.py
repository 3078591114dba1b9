"""Pictures of the surest wrong detections and of the objects that were missed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mnv4_vision.core.drawing import fit_into
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import read_image
from mnv4_vision.det.drawing import draw_comparison
from mnv4_vision.det.evaluation.analysis import Analysis
from mnv4_vision.det.evaluation.coco_files import GroundTruth

__all__ = ["WorstCases"]

SIDE_PX = 480
JPEG_QUALITY = 80
HIGHLIGHT = (0, 255, 255)  # BGR: yellow on black stands out on any photo


@dataclass(frozen=True)
class WorstCases:
    """Draws annotated beside predicted boxes, with the one in question set off.

    Both methods yield at most `count` pairs of a JPEG and its caption, one an image; where an
    image cannot be read, the JPEG is None and the caption says why.

    Attributes:
        gt: annotated boxes of the evaluated images.
        detections: `(N, 7)` rows `image_id, x, y, w, h, score, category_id`.
        categories: name to category id.
        analysis: of the same arrays.
        images: folder that the annotations' file names start from.
    """

    gt: GroundTruth
    detections: np.ndarray
    categories: Mapping[str, int]
    analysis: Analysis
    images: Path

    def false_positives(self, count: int) -> list[tuple[bytes | None, str]]:
        """Draw the surest detections that are errors."""
        images, cases = self.detections[:, 0], []
        for index in _one_per_image(self.analysis.false_positives, images, count):
            image, *box, score, category = self.detections[index].tolist()
            kind = self.analysis.kinds[index]
            cases.append((int(image), box, f"{self._name(category)} {score:.2f}, {kind}"))
        return [self._picture(*case) for case in cases]

    def misses(self, count: int) -> list[tuple[bytes | None, str]]:
        """Draw the largest objects that no detection of their class found, classes in turn."""
        cases = []
        for index in _one_per_image(self.analysis.misses, self.gt.image_ids, count):
            box = self.gt.boxes[index].tolist()
            name = self._name(self.gt.category_ids[index])
            size = f"{box[2]:.0f} x {box[3]:.0f} px"
            cases.append((int(self.gt.image_ids[index]), box, f"{name} missed, {size}"))
        return [self._picture(*case) for case in cases]

    def _name(self, category: float) -> str:
        return next(name for name, number in self.categories.items() if number == category)

    def _picture(self, image_id: int, box: list[float], text: str) -> tuple[bytes | None, str]:
        record = next(image for image in self.gt.images if image["id"] == image_id)
        file = str(record.get("file_name"))
        width, height = record.get("width"), record.get("height")
        try:
            # The recorded size decides about EXIF rotation, as in training.
            size = (width, height) if width and height else None
            image = read_image(str(self.images / file), size)
        except InputError as error:
            return None, str(error)
        scale = min(1.0, SIDE_PX / max(image.shape[:2]))
        image = fit_into(image, (SIDE_PX, SIDE_PX)) if scale < 1 else image
        _set_off(image, _corners(np.array([box]))[0] * scale)
        drawn = self._compare(image, image_id, scale)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        return cv2.imencode(".jpg", drawn, quality)[1].tobytes(), f"{file}: {text}"

    def _compare(self, image: np.ndarray, image_id: int, scale: float) -> np.ndarray:
        ids = list(self.categories.values())
        own = self.gt.image_ids == image_id
        rows = self.detections[self.detections[:, 0] == image_id]
        return draw_comparison(
            image,
            (_corners(self.gt.boxes[own]) * scale, [*map(ids.index, self.gt.category_ids[own])]),
            (_corners(rows[:, 1:5]) * scale, [*map(ids.index, rows[:, 6])], rows[:, 5]),
            list(self.categories),
            score_threshold=self.analysis.score_threshold,
        )


def _one_per_image(ranked: np.ndarray, image_ids: np.ndarray, count: int) -> np.ndarray:
    """Return the first `count` of the ranked indices whose images are new."""
    first = np.unique(image_ids[ranked], return_index=True)[1]
    return ranked[np.sort(first)[:count]]


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Return xywh boxes as xyxy."""
    return np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def _set_off(image: np.ndarray, box: np.ndarray) -> None:
    """Draw a frame around an xyxy box, outside of it, so that drawn boxes stay visible."""
    limit = np.array(image.shape[1::-1]) - 1
    low = np.clip(np.floor(box[:2] - 4), 0, limit).astype(int).tolist()
    high = np.clip(np.ceil(box[2:] + 4), 0, limit).astype(int).tolist()
    for colour, thickness in (((0, 0, 0), 6), (HIGHLIGHT, 3)):
        cv2.rectangle(image, low, high, colour, thickness)
