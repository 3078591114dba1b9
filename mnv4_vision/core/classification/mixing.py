"""Mixup and CutMix of whole batches, on the device."""

import math

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from mnv4_vision.core.errors import InputError

__all__ = ["BatchMixing"]


@MODELS.register_module()
class BatchMixing(nn.Module):
    """Mix every image of a batch with another one, and their targets by the same share.

    Mixup (arXiv 1710.09412) adds the images, CutMix (arXiv 1905.04899) puts a rectangle of the
    other one in; the share is drawn from Beta(alpha, alpha) once for a batch, as timm does.

    Args:
        mixup_alpha: 0 for no mixup.
        cutmix_alpha: 0 for no CutMix.
        prob: Probability that a batch is mixed.
        switch_prob: Probability of CutMix where both are on.
    """

    def __init__(
        self,
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        prob: float = 1.0,
        switch_prob: float = 0.5,
    ) -> None:
        super().__init__()
        for name, value in (("mixup_alpha", mixup_alpha), ("cutmix_alpha", cutmix_alpha)):
            if value < 0:
                raise InputError(f"BatchMixing: {name}={value} is below 0")
        for name, value in (("prob", prob), ("switch_prob", switch_prob)):
            if not 0 <= value <= 1:
                raise InputError(f"BatchMixing: {name}={value} is not from 0 to 1")
        if not mixup_alpha and not cutmix_alpha:
            raise InputError("BatchMixing: mixup_alpha and cutmix_alpha are both 0: leave it out")
        self.mixup_alpha, self.cutmix_alpha = mixup_alpha, cutmix_alpha
        self.prob, self.switch_prob = prob, switch_prob

    def forward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed images `(B, C, H, W)` and targets `(B, K)`; the arguments stay."""
        if len(images) < 2 or torch.rand(()) >= self.prob:
            return images, targets
        cut = bool(self.cutmix_alpha) and (
            not self.mixup_alpha or torch.rand(()) < self.switch_prob
        )
        alpha = self.cutmix_alpha if cut else self.mixup_alpha
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        other = torch.roll(images, 1, 0)  # the sampler shuffles, so the neighbour is a random image
        if cut:
            images, share = _cut(images, other, share)
        else:
            images = images * share + other * (1 - share)
        return images, targets * share + torch.roll(targets, 1, 0) * (1 - share)


def _cut(images: Tensor, other: Tensor, share: float) -> tuple[Tensor, float]:
    """Put a rectangle of `other` into `images`; return the share of pixels that stayed."""
    height, width = images.shape[2:]
    side = math.sqrt(1 - share)
    tall, wide = int(height * side), int(width * side)
    top, left = (int(torch.randint(0, size, ())) for size in (height, width))
    rows = slice(max(top - tall // 2, 0), min(top + (tall + 1) // 2, height))
    columns = slice(max(left - wide // 2, 0), min(left + (wide + 1) // 2, width))
    mixed = images.clone()
    mixed[:, :, rows, columns] = other[:, :, rows, columns]
    cut = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - cut / (height * width)
