"""Classify many images: labelled copies, one JSON file, the time per image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnv4_vision.cls.drawing import write_below
from mnv4_vision.cls.inference import Classification, ImageClassifier
from mnv4_vision.core.drawing import plain_name
from mnv4_vision.core.files import write_json
from mnv4_vision.core.predictions import predict_each
from mnv4_vision.datasets import read_image

__all__ = ["predict_files"]

NUM_SAVED = 5  # classes of an image in the JSON file
NUM_DRAWN = 3  # of them on its copy


def predict_files(classifier: ImageClassifier, files: Sequence[Path], out: Path) -> None:
    """Classify `files`; write copies, `out/classification.json` and `out/sheet.jpg`.

    `out/<name>.jpg` is the photo with its three most probable classes below it; the JSON file has
    five. An image that cannot be read is named and left out.
    """
    records = []

    def classify(image: np.ndarray, path: Path) -> tuple[np.ndarray, str, float]:
        result = classifier.classify(image)
        classes = _most_probable(result, classifier.class_names)
        records.append({"time_ms": round(result.time_ms, 2), "classes": classes})
        lines = [
            f"{plain_name(c['category_id'], classifier.class_names)} {_percent(c['score'])}"
            for c in classes[:NUM_DRAWN]
        ]
        words = f"{classes[0]['category']} {_percent(classes[0]['score'])}"
        return write_below(image, lines), words, result.time_ms

    read = predict_each(files, out, read_image, classify)
    images = [{"file": str(file), **record} for file, record in zip(read, records, strict=True)]
    categories = list(classifier.class_names)
    write_json(out / "classification.json", {"categories": categories, "images": images})


def _most_probable(result: Classification, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the first classes with their probabilities, the most probable first."""
    return [
        {"category_id": i, "category": names[i], "score": round(float(result.scores[i]), 6)}
        for i in result.labels[:NUM_SAVED].tolist()
    ]


def _percent(score: float) -> str:
    return f"{100 * score:.1f} %"
