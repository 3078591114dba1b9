"""Classification of image files or arrays with a config and a checkpoint."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mnv4_vision.cls.network_input import NetworkInput
from mnv4_vision.core.backbones import MobileNetV4Head, deploy
from mnv4_vision.core.classification import Classifier, LinearHead, TimmHead
from mnv4_vision.core.engine.checkpoint import load_checkpoint_checked
from mnv4_vision.core.engine.inference import (
    check_device,
    check_image,
    class_names,
    resolved_config,
    without_pretrained,
)
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


class ImageClassifier:
    """A trained classifier: images in, a probability for each class out.

    A `Classifier` runs in its deployed form, with batch norms folded, so scores differ from the
    trained form's by float32 rounding.

    Args:
        config: resolved mmengine config, or a file with one.
        checkpoint: weights of exactly that model.
        device: "cpu", "cuda", "cuda:1", ...

    Attributes:
        model: the network, as it runs.
        class_names: of the checkpoint, or of the config's data set where it has none.

    Raises:
        InputError: checkpoint missing, damaged, of another model or with other classes.
    """

    def __init__(
        self, config: str | Path | Config, checkpoint: str | Path, device: str = "cpu"
    ) -> None:
        cfg = resolved_config(config)
        self.device = check_device(device)
        init_default_scope(cfg.get("default_scope") or "mmengine")
        model = MODELS.build(without_pretrained(cfg.model))
        meta = load_checkpoint_checked(model, checkpoint)
        self.class_names = class_names(meta, cfg)
        if len(self.class_names) != model.head.num_classes:
            raise InputError(
                f"checkpoint {checkpoint} is of {model.head.num_classes} classes, but "
                f"{len(self.class_names)} are named; "
                "see test_dataloader.dataset.metainfo.classes of the config"
            )
        self.model = _deployed(model.to(self.device).eval())
        self._network_input = NetworkInput(cfg, self.model.data_preprocessor)

    def __call__(self, images: Iterable[str | Path | np.ndarray]) -> list[Classification]:
        """Classify files or `(H, W, 3)` uint8 BGR arrays, one at a time."""
        return [self.classify(image) for image in images]

    def classify(self, image: str | Path | np.ndarray) -> Classification:
        """Classify one image.

        Raises:
            InputError: the file is missing or damaged, or the array is no image; the line says so.
        """
        if not isinstance(image, np.ndarray):
            image = read_image(str(image))
        else:
            check_image(image)
        start = time.perf_counter()
        with torch.inference_mode():
            (sample,) = self.model(**self._network_input(image), mode="predict")
        # Copying to the host waits for the device, so the time that is measured is complete.
        scores = sample.pred_score.cpu().numpy()
        time_ms = (time.perf_counter() - start) * 1e3
        return Classification(scores, np.argsort(-scores, kind="stable"), time_ms)


def _deployed(model: nn.Module) -> nn.Module:
    """Fold and pack where that is known to be safe."""
    if not isinstance(model, Classifier):
        return model
    on_cpu = next(model.parameters()).device.type == "cpu"
    fast = on_cpu and isinstance(model.head, _FREE_OF_LAYOUT)
    return deploy(model, channels_last=fast, onednn=fast and torch.backends.mkldnn.is_available())
