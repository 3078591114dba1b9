"""Detection on image files or arrays with a config and a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models import SingleStageDetector
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import nn

from mnv4_vision.core.backbones import deploy
from mnv4_vision.core.engine.trained_model import TrainedModel
from mnv4_vision.datasets import read_image
from mnv4_vision.det.network_input import NetworkInput

__all__ = ["Detections", "Detector", "detections_to_json"]


@dataclass(frozen=True)
class Detections:
    """What was found on one image, the surest first.

    Attributes:
        boxes: `(N, 4)` float32 xyxy in pixels of the original image.
        scores: `(N,)` float32 in 0..1.
        labels: `(N,)` int64 class numbers.
        time_ms: resizing, network and NMS, without reading the file.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    time_ms: float


class Detector(TrainedModel[Detections]):
    """A trained detector: images in, boxes in their own pixels out.

    Single-stage detectors run in their deployed form: the same network with its batch norms folded,
    so scores differ from the trained form's by float32 rounding. For attributes and errors see
    `TrainedModel`.

    Args:
        config: resolved mmengine config, or a file with one.
        checkpoint: weights of exactly that model.
        device: "cpu", "cuda", "cuda:1", ...
        score_threshold: detections below it are left out.
    """

    scope = "mmdet"
    network_input = NetworkInput
    result = Detections

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str = "cpu",
        score_threshold: float = 0.3,
    ) -> None:
        super().__init__(config, checkpoint, device)
        self.score_threshold = score_threshold

    def detect(self, image: str | Path | np.ndarray) -> Detections:
        """Detect on one image, a file or an `(H, W, 3)` uint8 BGR array; see `run`."""
        return self.run(image)

    def read_image(self, path: str) -> np.ndarray:
        """Return `(H, W, 3)` uint8 in BGR order."""
        return read_image(path)

    @staticmethod
    def deployed(model: nn.Module) -> nn.Module:
        """Fold and pack where that is known to be safe; heads of others may `view` maps."""
        if not isinstance(model, SingleStageDetector):
            return model
        on_cpu = next(model.parameters()).device.type == "cpu"
        onednn = on_cpu and torch.backends.mkldnn.is_available()
        return deploy(model, channels_last=on_cpu, onednn=onednn)

    def on_host(self, sample: DetDataSample) -> dict[str, np.ndarray]:
        """Return boxes, scores and labels, the surest first."""
        found = sample.pred_instances
        boxes, scores, labels = (
            found[key].float().cpu().numpy() for key in ("bboxes", "scores", "labels")
        )
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= self.score_threshold]
        kept = {"boxes": boxes[order], "scores": scores[order]}
        return kept | {"labels": labels[order].astype(np.int64)}


def detections_to_json(
    files: Sequence[str | Path], detections: Sequence[Detections], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one JSON-ready record per image.

    `bbox` is COCO's `[x, y, width, height]` in pixels; `category_id` is the position of the
    category in the model's class list, from 0.
    """
    return [
        {
            "file": str(file),
            "time_ms": round(found.time_ms, 2),
            "detections": [
                {
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": score,
                    "category_id": label,
                    "category": class_names[label],
                }
                for (x1, y1, x2, y2), score, label in zip(
                    found.boxes.tolist(),
                    found.scores.tolist(),
                    found.labels.tolist(),
                    strict=True,
                )
            ],
        }
        for file, found in zip(files, detections, strict=True)
    ]
