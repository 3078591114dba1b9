"""mmcv's focal loss operators in plain torch operations, for any device.

Formulas and argument names of mmcv's CUDA kernels, with `log(sigmoid(x))` taken in a form that
stays exact where the kernels clamp the probability. Half precision is computed in float32.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softmax_focal_loss_backward",
    "softmax_focal_loss_forward",
]


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of every logit into `output`.

    Args:
        input: Logits `(N, C)`.
        target: Class of every row `(N,)`; a value outside `[0, C)` makes all its classes negative.
        weight: Factor per class, applied by the row's target, `(C,)` or empty; rows of no class
            have factor 1 (the kernels read outside of `weight` there).
        output: `(N, C)`, overwritten.
        gamma: Focusing exponent.
        alpha: Weight of the positive class; negatives weigh `1 - alpha`.
    """
    sign, scale = _sign_and_scale(input, target, weight, alpha)
    log_p = F.logsigmoid(sign * _wide(input))
    output.copy_((-log_p.expm1()).pow(gamma).mul_(log_p).mul_(scale).neg_())


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of every logit's loss into `grad_input` `(N, C)`."""
    sign, scale = _sign_and_scale(input, target, weight, alpha)
    log_p = F.logsigmoid(sign * _wide(input))
    miss = -log_p.expm1()
    slope = miss - gamma * log_p.exp() * log_p
    grad_input.copy_(miss.pow(gamma).mul_(slope).mul_(scale).mul_(sign).neg_())


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of every row into `output` `(N,)`; `input` holds softmax probabilities."""
    p, factor = _target_probability(input, target, weight, alpha)
    output.copy_(-factor * (1 - p).pow(gamma) * _safe_log(p))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivative by the logits into `grad_input` `(N, C)`, through `buff` `(N,)`."""
    p, factor = _target_probability(input, target, weight, alpha)
    miss = 1 - p
    buff.copy_(factor * (gamma * miss.pow(gamma - 1) * p * _safe_log(p) - miss.pow(gamma)))
    is_target = target[:, None] == torch.arange(input.size(1), device=input.device)
    grad_input.copy_(buff[:, None] * (is_target.to(input.dtype) - input))


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _sign_and_scale(
    logits: Tensor, target: Tensor, weight: Tensor, alpha: float
) -> tuple[Tensor, Tensor]:
    """Return +1 or -1, and the weight, of every logit: with them both classes share one formula."""
    dtype = _wide(logits).dtype
    is_target = target[:, None] == torch.arange(logits.size(1), device=logits.device)
    sign = is_target.to(dtype).mul_(2).sub_(1)
    scale = is_target.to(dtype).mul_(2 * alpha - 1).add_(1 - alpha)
    if weight.numel():
        known = target.clamp(0, logits.size(1) - 1)
        scale *= weight[known].to(dtype).where(known == target, 1)[:, None]
    return sign, scale


def _target_probability(
    probability: Tensor, target: Tensor, weight: Tensor, alpha: float
) -> tuple[Tensor, Tensor]:
    """Return the target's probability and the factor of every row; negative targets weigh 0."""
    row = target.clamp(min=0)
    p = _wide(probability).gather(1, row[:, None])[:, 0]
    factor = alpha * (target >= 0).to(p.dtype)
    if weight.numel():
        factor *= weight[row].to(p.dtype)
    return p, factor


def _safe_log(p: Tensor) -> Tensor:
    return p.clamp(min=torch.finfo(torch.float32).tiny).log()
