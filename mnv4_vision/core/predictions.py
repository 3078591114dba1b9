"""Predictions on many image files: a drawn copy of each, a contact sheet, the median time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mnv4_vision.core.drawing import contact_sheet, fit_into
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import write_atomic

__all__ = ["predict_each"]

SHEET = Path("sheet.jpg")
SHEET_IMAGES, SHEET_COLUMNS, SHEET_CELL_PX = 12, 4, (320, 320)


def predict_each(
    files: Sequence[Path],
    out: Path,
    read: Callable[[str], np.ndarray],
    predict: Callable[[np.ndarray, Path], tuple[np.ndarray, str, float]],
) -> list[Path]:
    """Write `out/<name>.jpg` for every file, and `out/sheet.jpg` of the first twelve.

    Prints a line for each file and one with the median time.

    Args:
        files: Images; one that cannot be read is named and left out.
        out: Folder of the results.
        read: File to `(H, W, 3)` uint8 BGR; raises an `InputError`.
        predict: Image and `out/<name>`, without suffix, to a drawn copy, a few words about what was
            found, and the time in ms.

    Returns:
        The files that were read.

    Raises:
        InputError: None can be read, or `out` is a folder of some of them.
    """
    for file in files:
        if file.parent.resolve() == out.resolve():
            raise InputError(
                f"--out {out} holds {file}, which a result could replace; give another folder"
            )
    out.mkdir(parents=True, exist_ok=True)
    done, times, sheet = [], [], []
    for file, name in zip(files, unique_names(files), strict=True):
        try:
            image = read(str(file))
        except InputError as error:
            print(f"skipped: {error}", flush=True)
            continue
        drawn, words, time_ms = predict(image, out / name)
        _write_jpeg(out / f"{name}.jpg", drawn)
        print(f"{file}: {words}, {time_ms:.0f} ms", flush=True)
        done.append(file)
        times.append(time_ms)
        if len(sheet) < SHEET_IMAGES:
            sheet.append(fit_into(drawn, SHEET_CELL_PX))
    if not done:
        raise InputError(f"none of the {len(files)} images can be read")
    _write_jpeg(out / SHEET, contact_sheet(sheet, SHEET_COLUMNS))
    skipped = f", {len(files) - len(done)} skipped" if len(done) < len(files) else ""
    median = np.median(times[1:] or times)  # the first one warms up
    print(f"{len(done)} images{skipped}, median {median:.1f} ms; results in {out}", flush=True)
    return done


def unique_names(files: Sequence[Path]) -> list[str]:
    """Name results after their files, without suffix; where stems meet, after the whole path."""
    stems = [file.stem for file in files] + [SHEET.stem]
    parts = [file.parts[1:] if file.is_absolute() else file.parts for file in files]
    whole = ["_".join(part).replace("..", "up") for part in parts]
    return [
        file.stem if stems.count(file.stem) == 1 else name
        for file, name in zip(files, whole, strict=True)
    ]


def _write_jpeg(path: Path, image: np.ndarray) -> None:
    write_atomic(path, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
