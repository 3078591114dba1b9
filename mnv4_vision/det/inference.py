"""Detection on image files or arrays with a config and a checkpoint."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models import SingleStageDetector
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from mnv4_vision.core.backbones import deploy
from mnv4_vision.core.engine.checkpoint import load_checkpoint_checked
from mnv4_vision.core.engine.inference import (
    check_device,
    check_image,
    class_names,
    resolved_config,
    without_pretrained,
)
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


class Detector:
    """A trained detector: images in, boxes in their own pixels out.

    Single-stage detectors run in their deployed form: the same network with its batch norms folded,
    so scores differ from the trained form's by float32 rounding.

    Args:
        config: resolved mmengine config, or a file with one.
        checkpoint: weights of exactly that model.
        device: "cpu", "cuda", "cuda:1", ...
        score_threshold: detections below it are left out.

    Attributes:
        model: the network, as it runs.
        class_names: of the checkpoint, or of the config's data set where it has none.

    Raises:
        InputError: checkpoint missing, damaged, of another model or with other classes.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str = "cpu",
        score_threshold: float = 0.3,
    ) -> None:
        cfg = resolved_config(config)
        self.device = check_device(device)
        self.score_threshold = score_threshold
        init_default_scope(cfg.get("default_scope") or "mmdet")
        model = MODELS.build(without_pretrained(cfg.model))
        meta = load_checkpoint_checked(model, checkpoint)
        self.class_names = class_names(meta, cfg)
        self.model = _deployed(model.to(self.device).eval())
        self._network_input = NetworkInput(cfg, self.model.data_preprocessor)

    def __call__(self, images: Iterable[str | Path | np.ndarray]) -> list[Detections]:
        """Detect on files or `(H, W, 3)` uint8 BGR arrays, one at a time."""
        return [self.detect(image) for image in images]

    def detect(self, image: str | Path | np.ndarray) -> Detections:
        """Detect on one image.

        Raises:
            InputError: the file is missing or damaged, or the array is no image; the line says so.
        """
        if not isinstance(image, np.ndarray):
            image = read_image(str(image))
        else:
            check_image(image)
        start = time.perf_counter()
        with torch.inference_mode():
            batch = self._network_input(image)
            found = self.model(**batch, mode="predict")[0].pred_instances
        detections = self._select(found)
        return Detections(*detections, time_ms=(time.perf_counter() - start) * 1e3)

    def _select(self, found: InstanceData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # Copying to the host waits for the device, so the time that is measured is complete.
        boxes, scores, labels = (
            found[key].float().cpu().numpy() for key in ("bboxes", "scores", "labels")
        )
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= self.score_threshold]
        return boxes[order], scores[order], labels[order].astype(np.int64)


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


def _deployed(model: nn.Module) -> nn.Module:
    """Fold and pack where that is known to be safe; heads of other detectors may `view` maps."""
    if not isinstance(model, SingleStageDetector):
        return model
    device = next(model.parameters()).device
    on_cpu = device.type == "cpu"
    return deploy(
        model, channels_last=on_cpu, onednn=on_cpu and torch.backends.mkldnn.is_available()
    )
