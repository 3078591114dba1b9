"""The loss of classifiers on validation and test data."""

from collections.abc import Sequence
from typing import Any

from mmengine.registry import HOOKS
from torch import Tensor, nn

from mnv4_vision.core.classification import Classifier, ClassSample
from mnv4_vision.core.classification.classifier import targets_of
from mnv4_vision.core.engine.val_loss import OutputLossHook

__all__ = ["ValLossHook"]


@HOOKS.register_module()
class ValLossHook(OutputLossHook):
    """Adds a `Classifier`'s loss, mean over the images, to the metrics of a validation or test.

    The network runs once: the logits of the prediction also go into the loss. Label smoothing
    counts as in training; images are not mixed.

    Args:
        max_images: of larger data sets take every n-th batch, for about so many images.
    """

    def find_head(self, model: nn.Module, dataset: Any) -> nn.Module | None:
        """Return the classifier's head."""
        return model.head if isinstance(model, Classifier) else None

    def losses(
        self, model: Classifier, outputs: Tensor, samples: Sequence[ClassSample]
    ) -> tuple[dict[str, Any], int]:
        """Return the loss of the logits `(B, K)`, and of how many images it is."""
        targets = targets_of(samples, model.head.num_classes, outputs.device)
        return {"loss": model.loss(outputs, targets)}, len(samples)
