"""Segment many images: overlays, index masks, one JSON file, the time per image."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mnv4_vision.core.files import write_atomic, write_json
from mnv4_vision.core.predictions import predict_each
from mnv4_vision.datasets import read_image
from mnv4_vision.seg.drawing import add_legend, draw_labels, present_classes
from mnv4_vision.seg.inference import Segmenter

__all__ = ["predict_files"]

NUM_NAMED = 3  # classes in a printed line


def predict_files(segmenter: Segmenter, files: Sequence[Path], out: Path) -> None:
    """Label `files` and write overlays, masks, `out/segmentation.json` and `out/sheet.jpg`.

    `out/<name>.jpg` has the classes' colours and names on the photo; `out/<name>.png` is an index
    mask at the photo's size, whose values are class numbers and whose palette shows them. An image
    that cannot be read is named and left out.
    """
    records = []

    def segment(image: np.ndarray, path: Path) -> tuple[np.ndarray, str, float]:
        result = segmenter.segment(image)
        mask = Path(f"{path}.png")
        write_atomic(mask, _index_png(result.labels, segmenter.palette))
        classes = _shares(result.labels, segmenter.class_names)
        records.append({"mask": mask.name, "time_ms": round(result.time_ms, 2), "classes": classes})
        main = ", ".join(f"{c['category']} {100 * c['share']:.0f} %" for c in classes[:NUM_NAMED])
        return _overlay(image, result.labels, segmenter), main, result.time_ms

    read = predict_each(files, out, read_image, segment)
    images = [{"file": str(file), **record} for file, record in zip(read, records, strict=True)]
    categories = list(segmenter.class_names)
    write_json(out / "segmentation.json", {"categories": categories, "images": images})


def _shares(labels: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the classes present, those with most pixels first, with their share of the image."""
    counts = np.bincount(labels.ravel(), minlength=len(names))
    return [
        {"category_id": i, "category": names[i], "share": round(counts[i] / labels.size, 6)}
        for i in present_classes(labels, num_classes=len(names))
    ]


def _overlay(image: np.ndarray, labels: np.ndarray, segmenter: Segmenter) -> np.ndarray:
    drawn = draw_labels(image, labels, segmenter.palette)
    present = present_classes(labels, num_classes=len(segmenter.class_names))
    return add_legend(drawn, present, segmenter.palette, segmenter.class_names)


def _index_png(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> bytes:
    picture = Image.fromarray(labels)
    picture.putpalette([part for colour in palette for part in colour])
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
