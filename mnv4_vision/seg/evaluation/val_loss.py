"""The losses of segmentation models on validation and test data."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from mnv4_vision.core.engine.val_loss import OutputLossHook

__all__ = ["ValLossHook"]

# All pixels would take 42 % of DeepLabV3+'s prediction and loss with 150 classes on a CPU, and the
# full-resolution logits that the prediction does without.
STEP = 4


@HOOKS.register_module()
class ValLossHook(OutputLossHook):
    """Adds the decode head's losses, means over the images, to the metrics of a validation or test.

    The network runs once: the logits of the prediction also go into `loss_by_feat`, for every
    `STEP`-th pixel of every `STEP`-th row. Auxiliary heads do not run in a prediction and are not
    in it. Sliding windows, padded pictures and data without annotated pixels keep their metrics as
    they are.

    Args:
        max_images: of larger data sets take every n-th batch, for about so many images.
    """

    def find_head(self, model: nn.Module, dataset: Any) -> nn.Module | None:
        """Return the decode head."""
        head = getattr(model, "decode_head", None)
        # Where `loss` is another's, it may need more than the head's outputs.
        own = isinstance(head, BaseDecodeHead) and type(head).loss is BaseDecodeHead.loss
        return head if own else None

    def losses(
        self, model: nn.Module, outputs: Tensor, samples: Sequence[SegDataSample]
    ) -> tuple[dict[str, Any], int]:
        """Return the decode head's losses and the number of annotated pixels."""
        head, terms, pixels = model.decode_head, defaultdict(float), 0
        if len(outputs) != len(samples) or any(map(_is_padded, samples)):
            return {}, 0
        # One by one: the masks of a batch have sizes of their own.
        for logits, sample in zip(outputs, samples, strict=True):
            thin = _thinned(sample)
            pixels += int((thin.gt_sem_seg.data != head.ignore_index).sum())
            for name, value in head.loss_by_feat(logits[None], [thin]).items():
                terms[name] += value / len(samples)
        return add_prefix(terms, "decode"), pixels


def _thinned(sample: SegDataSample) -> SegDataSample:
    """Return a sample with the part of the mask that counts, to which the logits are resized."""
    labels = sample.gt_sem_seg.data
    # From 1: pixel 4i + 1 is half a pixel from the middle of the cell that it stands for.
    top, left = (min(1, side - 1) for side in labels.shape[-2:])
    thin = SegDataSample()
    thin.gt_sem_seg = PixelData(data=labels[..., top::STEP, left::STEP])
    return thin


def _is_padded(sample: SegDataSample) -> bool:
    meta = sample.metainfo
    return any(meta.get("img_padding_size") or meta.get("padding_size") or ())
