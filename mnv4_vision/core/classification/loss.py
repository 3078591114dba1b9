"""Cross-entropy to probabilities, as label smoothing, mixing and soft labels give them."""

from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mnv4_vision.core.errors import InputError

__all__ = ["SoftCrossEntropyLoss"]


@MODELS.register_module()
class SoftCrossEntropyLoss(nn.Module):
    """Cross-entropy between target probabilities and the softmax of the logits, mean of the batch.

    Args:
        label_smoothing: Share of every target that is spread over all classes (Szegedy et al.,
            arXiv 1512.00567, section 7). Of soft labels too.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing={label_smoothing} is not a number from 0 to below 1")
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss for logits and targets `(B, K)`."""
        return functional.cross_entropy(
            logits.float(), targets.float(), label_smoothing=self.label_smoothing
        )
