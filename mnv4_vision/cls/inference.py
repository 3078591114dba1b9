"""Classification of image files or arrays with a config and a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mnv4_vision.cls.network_input import NetworkInput
from mnv4_vision.core.backbones import MobileNetV4Head, deploy
from mnv4_vision.core.classification import Classifier, ClassSample, LinearHead, TimmHead
from mnv4_vision.core.engine.trained_model import TrainedModel
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import read_image

__all__ = ["Classification", "ImageClassifier"]

# Heads that never `view` a map, so that channels-last ones are safe.
_FREE_OF_LAYOUT = (LinearHead, MobileNetV4Head, TimmHead)


@dataclass(frozen=True)
class Classification:
    """What one image shows.

    Attributes:
        scores: `(K,)` float32 probability of each class.
        labels: `(K,)` class numbers, the most probable first.
        time_ms: resizing, network and softmax, without reading the file.
    """

    scores: np.ndarray
    labels: np.ndarray
    time_ms: float


class ImageClassifier(TrainedModel[Classification]):
    """A trained classifier: images in, a probability for each class out.

    A `Classifier` runs in its deployed form, with batch norms folded, so scores differ from the
    trained form's by float32 rounding. For arguments, attributes and errors see `TrainedModel`.
    """

    scope = "mmengine"
    network_input = NetworkInput
    result = Classification

    def accept(self, model: nn.Module, meta: dict[str, Any], checkpoint: str | Path) -> None:
        """Refuse a checkpoint that names more or fewer classes than it has."""
        if len(self.class_names) != model.head.num_classes:
            raise InputError(
                f"checkpoint {checkpoint} is of {model.head.num_classes} classes, but "
                f"{len(self.class_names)} are named; "
                "see test_dataloader.dataset.metainfo.classes of the config"
            )

    def classify(self, image: str | Path | np.ndarray) -> Classification:
        """Classify one image, a file or an `(H, W, 3)` uint8 BGR array; see `run`."""
        return self.run(image)

    def read_image(self, path: str) -> np.ndarray:
        """Return `(H, W, 3)` uint8 in BGR order."""
        return read_image(path)

    @staticmethod
    def deployed(model: nn.Module) -> nn.Module:
        """Fold and pack where that is known to be safe."""
        if not isinstance(model, Classifier):
            return model
        on_cpu = next(model.parameters()).device.type == "cpu"
        fast = on_cpu and isinstance(model.head, _FREE_OF_LAYOUT)
        onednn = fast and torch.backends.mkldnn.is_available()
        return deploy(model, channels_last=fast, onednn=onednn)

    def on_host(self, sample: ClassSample) -> dict[str, np.ndarray]:
        """Return scores and the order of the classes."""
        scores = sample.pred_score.cpu().numpy()
        return {"scores": scores, "labels": np.argsort(-scores, kind="stable")}
