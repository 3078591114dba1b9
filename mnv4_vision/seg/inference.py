"""Semantic segmentation of image files or arrays with a config and a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.models.decode_heads import ASPPHead, FCNHead, LRASPPHead
from mmseg.structures import SegDataSample
from torch import nn

from mnv4_vision.core.backbones import deploy
from mnv4_vision.core.engine.trained_model import TrainedModel
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


class Segmenter(TrainedModel[Segmentation]):
    """A trained segmentor: images in, class numbers of their own pixels out.

    A `MobileSegmentor` runs in its deployed form, with batch norms folded, so logits differ from
    the trained form's by float32 rounding. mmseg's own segmentors run as they are. For arguments
    and errors see `TrainedModel`; more than 256 classes are refused.

    Attributes:
        model: the network, as it runs.
        class_names: of the checkpoint, or of the config's data set where it has none.
        palette: an RGB colour for each class, the data set's own where the checkpoint has them.
    """

    scope = "mmseg"
    network_input = NetworkInput
    result = Segmentation

    def accept(self, model: nn.Module, meta: dict[str, Any], checkpoint: str | Path) -> None:
        """Take the colours; refuse what label maps cannot hold."""
        if len(self.class_names) > MAX_CLASSES:
            raise InputError(
                f"checkpoint {checkpoint} has {len(self.class_names)} classes, label maps hold "
                f"{MAX_CLASSES} at most"
            )
        palette = (meta.get("dataset_meta") or {}).get("palette")
        self.palette = palette or default_palette(len(self.class_names))

    def segment(self, image: str | Path | np.ndarray) -> Segmentation:
        """Label one image, a file or an `(H, W, 3)` uint8 BGR array; see `run`."""
        return self.run(image)

    def read_image(self, path: str) -> np.ndarray:
        """Return `(H, W, 3)` uint8 in BGR order."""
        return read_image(path)

    @staticmethod
    def deployed(model: nn.Module) -> nn.Module:
        """Fold and pack where that is known to be safe, without what only training needs."""
        if not isinstance(model, MobileSegmentor):
            return model
        if model.with_auxiliary_head:
            model.auxiliary_head = None
        fast = next(model.parameters()).device.type == "cpu" and isinstance(
            model.decode_head, _FREE_OF_LAYOUT
        )
        onednn = fast and torch.backends.mkldnn.is_available()
        return deploy(model, channels_last=fast, onednn=onednn)

    def on_host(self, sample: SegDataSample) -> dict[str, np.ndarray]:
        """Return the labels."""
        return {"labels": sample.pred_sem_seg.data[0].to(torch.uint8).cpu().numpy()}
