"""Detect on many images: drawn copies, one JSON file, the time per image."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import write_atomic
from mnv4_vision.datasets import read_image
from mnv4_vision.det.drawing import contact_sheet, draw_detections, fit_into
from mnv4_vision.det.evaluation.coco_files import write_json
from mnv4_vision.det.inference import Detections, Detector, detections_to_json

__all__ = ["predict_files"]

SHEET = Path("sheet.jpg")
SHEET_IMAGES, SHEET_COLUMNS, SHEET_CELL_PX = 12, 4, (320, 320)


def predict_files(detector: Detector, files: Sequence[Path], out: Path) -> list[Detections]:
    """Detect on `files` and write `out/<name>.jpg`, `out/detections.json`, `out/sheet.jpg`.

    The sheet shows the first twelve images. An image that cannot be read is named and left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    read, found, sheet = [], [], []
    for file, name in zip(files, _unique_names(files), strict=True):
        try:
            image = read_image(str(file))
        except InputError as error:
            print(f"skipped: {error}", flush=True)
            continue
        detections = detector.detect(image)
        drawn = draw_detections(
            image, detections.boxes, detections.labels, detections.scores, detector.class_names
        )
        _write_jpeg(out / name, drawn)
        print(f"{file}: {len(detections.boxes)} objects, {detections.time_ms:.0f} ms", flush=True)
        read.append(file)
        found.append(detections)
        if len(sheet) < SHEET_IMAGES:
            sheet.append(fit_into(drawn, SHEET_CELL_PX))
    if not read:
        raise InputError(f"none of the {len(files)} images can be read")
    _write_jpeg(out / SHEET, contact_sheet(sheet, SHEET_COLUMNS))
    write_json(out / "detections.json", detections_to_json(read, found, detector.class_names))
    times = [d.time_ms for d in found[1:]] or [found[0].time_ms]  # the first one warms up
    skipped = f", {len(files) - len(read)} skipped" if len(read) < len(files) else ""
    print(f"{len(read)} images{skipped}, median {np.median(times):.1f} ms; results in {out}")
    return found


def _unique_names(files: Sequence[Path]) -> list[str]:
    """Name the drawn copies after their files; where stems meet, after the whole path."""
    stems = [file.stem for file in files] + [SHEET.stem]
    parts = [file.parts[1:] if file.is_absolute() else file.parts for file in files]
    whole = ["_".join(part).replace("..", "up") for part in parts]
    return [
        f"{file.stem if stems.count(file.stem) == 1 else name}.jpg"
        for file, name in zip(files, whole, strict=True)
    ]


def _write_jpeg(path: Path, image: np.ndarray) -> None:
    write_atomic(path, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
