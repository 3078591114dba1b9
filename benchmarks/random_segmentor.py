"""Random weights that behave like trained ones: a usual spread of logits, areas of one class.

The time of labelling depends on how many pixels lie on a border between classes, which with random
logits are most of them. Of the masks of ADE20K it is about 2 % at 512 px.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from random_statistics import set_statistics
from torch import Tensor, nn

from mnv4_vision.seg.models.argmax import interpolated_argmax
from mnv4_vision.seg.network_input import NetworkInput

__all__ = ["border_share", "save_random_weights"]

LOGIT_STD = 2.0
STATISTICS_IMAGES = 8


def save_random_weights(cfg: Config, images: Sequence[np.ndarray], share: float, path: str) -> None:
    """Write a checkpoint whose label maps have about `share` of their pixels on borders.

    Args:
        cfg: Resolved config of a DeepLab or LR-ASPP segmentor.
        images: `(H, W, 3)` uint8 of one size; they set the statistics.
        share: See `border_share`.
        path: Where to write.
    """
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    network_input = NetworkInput(cfg, model.data_preprocessor)
    inputs = torch.cat([network_input(image)["inputs"] for image in images[:STATISTICS_IMAGES]])
    set_statistics(model, inputs)
    with torch.no_grad():
        _set_classifiers(model.decode_head, model(inputs, mode="tensor"), inputs.shape[2:], share)
    classes = tuple(f"class {i}" for i in range(model.decode_head.num_classes))
    content = {"state_dict": model.state_dict(), "meta": {"dataset_meta": {"classes": classes}}}
    torch.save(content, path)


def border_share(labels: Tensor) -> float:
    """Return the share of the pixels of `(B, H, W)` whose neighbour right or below differs."""
    corner = labels[:, :-1, :-1]
    return ((corner != labels[:, 1:, :-1]) | (corner != labels[:, :-1, 1:])).float().mean().item()


def _set_classifiers(head: nn.Module, logits: Tensor, size: tuple[int, int], share: float) -> None:
    """Scale the classifiers and bisect for biases that leave few classes on an image."""
    factor = LOGIT_STD / logits.std()
    for classifier in (head.conv_seg, *getattr(head, "low_classifiers", ())):
        classifier.weight *= factor
        classifier.bias *= factor
    logits, preference = logits * factor, torch.randn(logits.shape[1], 1, 1)
    low, high = 0.0, 20.0
    for _ in range(12):
        middle = (low + high) / 2
        labels = interpolated_argmax(logits + middle * preference, size)
        enough = border_share(labels) < share
        low, high = (low, middle) if enough else (middle, high)
    head.conv_seg.bias += high * preference.flatten()
