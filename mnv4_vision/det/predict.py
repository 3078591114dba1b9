"""Detect on many images: drawn copies, one JSON file, the time per image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mnv4_vision.core.files import write_json
from mnv4_vision.core.predictions import predict_each
from mnv4_vision.datasets import read_image
from mnv4_vision.det.drawing import draw_detections
from mnv4_vision.det.inference import Detections, Detector, detections_to_json

__all__ = ["predict_files"]


def predict_files(detector: Detector, files: Sequence[Path], out: Path) -> list[Detections]:
    """Detect on `files` and write `out/<name>.jpg`, `out/detections.json`, `out/sheet.jpg`.

    The sheet shows the first twelve images. An image that cannot be read is named and left out.
    """
    found = []

    def detect(image: np.ndarray, path: Path) -> tuple[np.ndarray, str, float]:
        detections = detector.detect(image)
        found.append(detections)
        drawn = draw_detections(
            image, detections.boxes, detections.labels, detections.scores, detector.class_names
        )
        return drawn, f"{len(detections.boxes)} objects", detections.time_ms

    read = predict_each(files, out, read_image, detect)
    write_json(out / "detections.json", detections_to_json(read, found, detector.class_names))
    return found
