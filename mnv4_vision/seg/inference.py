"""Semantic segmentation of image files or arrays with a config and a checkpoint."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models.decode_heads import ASPPHead, FCNHead, LRASPPHead
from mmseg.registry import MODELS
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
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import read_image
from mnv4_vision.seg.drawing import default_palette
from mnv4_vision.seg.models import DeepLabHead, MobileLRASPPHead, MobileSegmentor
from mnv4_vision.seg.network_input import NetworkInput

__all__ = ["Segmentation", "Segmenter"]

MAX_CLASSES = 256  # of uint8 labels
# Heads that never `view` a map, so that channels-last ones are safe.
_FREE_OF_LAYOUT = (ASPPHead, DeepLabHead, FCNHead, LRASPPHead, MobileLRASPPHead)


@dataclass(frozen=True)
class Segmentation:
    """What every pixel of one image is.

    Attributes:
        labels: `(H, W)` uint8 class numbers at the size of the original image.
        time_ms: resizing, network and labelling, without reading the file.
    """

    labels: np.ndarray
    time_ms: float


class Segmenter:
    """A trained segmentor: images in, class numbers of their own pixels out.

    A `MobileSegmentor` runs in its deployed form, with batch norms folded, so logits differ from
    the trained form's by float32 rounding. mmseg's own segmentors run as they are.

    Args:
        config: resolved mmengine config, or a file with one.
        checkpoint: weights of exactly that model.
        device: "cpu", "cuda", "cuda:1", ...

    Attributes:
        model: the network, as it runs.
        class_names: of the checkpoint, or of the config's data set where it has none.
        palette: an RGB colour for each class, the data set's own where the checkpoint has them.

    Raises:
        InputError: checkpoint missing, damaged, of another model, with other classes or too many.
    """

    def __init__(
        self, config: str | Path | Config, checkpoint: str | Path, device: str = "cpu"
    ) -> None:
        cfg = resolved_config(config)
        self.device = check_device(device)
        init_default_scope(cfg.get("default_scope") or "mmseg")
        model = MODELS.build(without_pretrained(cfg.model))
        meta = load_checkpoint_checked(model, checkpoint)
        self.class_names = class_names(meta, cfg)
        if len(self.class_names) > MAX_CLASSES:
            raise InputError(
                f"checkpoint {checkpoint} has {len(self.class_names)} classes, label maps hold "
                f"{MAX_CLASSES} at most"
            )
        palette = (meta.get("dataset_meta") or {}).get("palette")
        self.palette = palette or default_palette(len(self.class_names))
        self.model = _deployed(model.to(self.device).eval())
        self._network_input = NetworkInput(cfg, self.model.data_preprocessor)

    def __call__(self, images: Iterable[str | Path | np.ndarray]) -> list[Segmentation]:
        """Label files or `(H, W, 3)` uint8 BGR arrays, one at a time."""
        return [self.segment(image) for image in images]

    def segment(self, image: str | Path | np.ndarray) -> Segmentation:
        """Label one image.

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
        labels = sample.pred_sem_seg.data[0].to(torch.uint8).cpu().numpy()
        return Segmentation(labels, (time.perf_counter() - start) * 1e3)


def _deployed(model: nn.Module) -> nn.Module:
    """Fold and pack where that is known to be safe, without what only training needs."""
    if not isinstance(model, MobileSegmentor):
        return model
    if model.with_auxiliary_head:
        model.auxiliary_head = None
    on_cpu = next(model.parameters()).device.type == "cpu"
    fast = on_cpu and isinstance(model.decode_head, _FREE_OF_LAYOUT)
    return deploy(model, channels_last=fast, onednn=fast and torch.backends.mkldnn.is_available())
