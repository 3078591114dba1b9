"""A trained model of any task on single images: from config and checkpoint to results."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mnv4_vision.core.engine.checkpoint import load_checkpoint_checked
from mnv4_vision.core.engine.inference import (
    check_device,
    check_image,
    class_names,
    resolved_config,
    without_pretrained,
)
from mnv4_vision.core.engine.network_input import ImageInput

__all__ = ["TrainedModel"]

Result = TypeVar("Result")


class TrainedModel(ABC, Generic[Result]):
    """Images in, one result for each out; a task says what a result is.

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

    scope: ClassVar[str]  # of registries, where the config names none
    network_input: ClassVar[type[ImageInput]]
    result: ClassVar[type]  # a dataclass with `time_ms`, preparation and network without the file

    def __init__(
        self, config: str | Path | Config, checkpoint: str | Path, device: str = "cpu"
    ) -> None:
        cfg = resolved_config(config)
        self.device = check_device(device)
        init_default_scope(cfg.get("default_scope") or self.scope)
        model = MODELS.build(without_pretrained(cfg.model))
        meta = load_checkpoint_checked(model, checkpoint)
        self.class_names = class_names(meta, cfg)
        self.accept(model, meta, checkpoint)
        self.model = self.deployed(model.to(self.device).eval())
        self._network_input = self.network_input(cfg, self.model.data_preprocessor)

    def __call__(self, images: Iterable[str | Path | np.ndarray]) -> list[Result]:
        """Run on files or `(H, W, 3)` uint8 BGR arrays, one at a time."""
        return [self.run(image) for image in images]

    def run(self, image: str | Path | np.ndarray) -> Result:
        """Run on one image.

        Raises:
            InputError: the file is missing or damaged, or the array is no image; the line says so.
        """
        if not isinstance(image, np.ndarray):
            image = self.read_image(str(image))
        else:
            check_image(image)
        start = time.perf_counter()
        with torch.inference_mode():
            (sample,) = self.model(**self._network_input(image), mode="predict")
        # Copying to the host waits for the device, so the time that is measured is complete.
        fields = self.on_host(sample)
        return self.result(**fields, time_ms=(time.perf_counter() - start) * 1e3)

    def accept(self, model: nn.Module, meta: dict[str, Any], checkpoint: str | Path) -> None:
        """Take what the task wants from the checkpoint's `meta`, or refuse the model."""

    @abstractmethod
    def read_image(self, path: str) -> np.ndarray:
        """Return `(H, W, 3)` uint8 in BGR order."""

    @staticmethod
    @abstractmethod
    def deployed(model: nn.Module) -> nn.Module:
        """Return the form of the model to run, in eval mode on its device."""

    @abstractmethod
    def on_host(self, sample: Any) -> dict[str, Any]:
        """Return the fields of the result, but for its time, from the model's prediction."""
