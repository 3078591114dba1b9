"""Random weights that behave like trained ones: as many candidates, a usual spread of activations.

Speed and rounding depend on both: untrained predictors give no box or one for every anchor, and
untrained batch norms let activations die out or grow.
"""

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from random_statistics import set_statistics
from torch import Tensor, nn

from mnv4_vision.datasets import read_image
from mnv4_vision.det.network_input import NetworkInput

__all__ = ["save_random_weights"]

LOGIT_STD, DELTA_STD = 2.0, 0.5  # of the predictors' outputs over all anchors
STATISTICS_IMAGES = 16


def save_random_weights(cfg: Config, files: Sequence[str], candidates: int, path: str) -> None:
    """Write a checkpoint with about `candidates` scores an image above the config's `score_thr`.

    Args:
        cfg: Resolved config of a detector with anchors, softmax or sigmoid.
        files: Images that set the statistics.
        candidates: Scores above the threshold, the average over images.
        path: Where to write.
    """
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    network_input = NetworkInput(cfg, model.data_preprocessor)
    inputs = [network_input(read_image(f))["inputs"] for f in files[:STATISTICS_IMAGES]]
    with torch.no_grad():
        set_statistics(model, torch.cat(inputs))
        _set_predictors(model, torch.cat(inputs), candidates)
    classes = tuple(f"class {i}" for i in range(model.bbox_head.num_classes))
    content = {"state_dict": model.state_dict(), "meta": {"dataset_meta": {"classes": classes}}}
    torch.save(content, path)


def _set_predictors(model: nn.Module, images: Tensor, candidates: int) -> None:
    """Scale the last convolutions to the usual spread, then shift scores to `candidates`."""
    head = model.bbox_head
    made_by: dict[int, nn.Conv2d] = {}
    hooks = [
        module.register_forward_hook(lambda m, _, out: made_by.update({id(out): m}))
        for module in head.modules()
        if isinstance(module, nn.Conv2d)
    ]
    outputs = model(images, mode="tensor")
    for maps, spread in zip(outputs, (LOGIT_STD, DELTA_STD), strict=True):
        values = torch.cat([level.flatten() for level in maps])
        for module in {made_by[id(level)] for level in maps}:
            module.weight *= spread / values.std()
            module.bias.zero_()
    predictors = {made_by[id(level)] for level in outputs[0]}
    for hook in hooks:
        hook.remove()
    shift = _find_shift(head, model(images, mode="tensor")[0], candidates * len(images))
    for module in predictors:
        bias = module.bias.view(-1, head.cls_out_channels)
        (bias if head.use_sigmoid_cls else bias[:, :-1]).add_(shift)


def _find_shift(head: nn.Module, maps: Sequence[Tensor], wanted: int) -> float:
    """Bisect for the shift of the classes' logits that lets `wanted` scores pass."""
    logits = torch.cat(
        [level.permute(0, 2, 3, 1).reshape(-1, head.cls_out_channels) for level in maps]
    )
    if not head.use_sigmoid_cls:
        logits, background = logits[:, :-1], logits[:, -1:]
    low, high = -40.0, 40.0
    for _ in range(25):
        middle = (low + high) / 2
        if head.use_sigmoid_cls:
            scores = (logits + middle).sigmoid()
        else:
            scores = torch.cat([logits + middle, background], 1).softmax(1)[:, :-1]
        enough = (scores > head.test_cfg.score_thr).sum() > wanted
        low, high = (low, middle) if enough else (middle, high)
    return low
