"""The losses of detectors on validation and test data."""

from collections.abc import Sequence
from typing import Any

from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import nn

from mnv4_vision.core.engine.val_loss import OutputLossHook

__all__ = ["ValLossHook"]


@HOOKS.register_module()
class ValLossHook(OutputLossHook):
    """Adds the losses, means over the images, to the metrics of a validation or test.

    The network runs once: what the box head returned for the prediction also goes into its
    `loss_by_feat`. Single-stage detectors of mmdet only; others, and data without boxes, keep their
    metrics as they are.

    Args:
        max_images: of larger data sets take every n-th batch, for about so many images: with 80
            classes on a CPU, the losses of all would take a quarter of a RetinaNet's prediction.
    """

    def find_head(self, model: nn.Module, dataset: Any) -> nn.Module | None:
        """Return the box head."""
        head = getattr(model, "bbox_head", None)
        # Where `loss` is another's, it may need more than the head's outputs.
        if not isinstance(head, BaseDenseHead) or type(head).loss is not BaseDenseHead.loss:
            return None
        self._boxes_are_resized = _boxes_are_resized(dataset)
        return head

    def losses(
        self, model: nn.Module, outputs: Any, samples: Sequence[DetDataSample]
    ) -> tuple[dict[str, Any], int]:
        """Return the box head's losses and the number of boxes."""
        if "bboxes" not in samples[0].gt_instances:
            return {}, 0
        truth, ignored, metas = unpack_gt_instances(samples)
        if not self._boxes_are_resized:
            truth, ignored = (
                [_resized(one, meta) for one, meta in zip(instances, metas, strict=True)]
                for instances in (truth, ignored)
            )
        losses = model.bbox_head.loss_by_feat(*outputs, truth, metas, ignored)
        return losses, sum(len(one) for one in truth)


def _boxes_are_resized(dataset: Any) -> bool:
    """Whether the pipeline loads the boxes before it resizes, and hence resizes them too.

    mmdet's test pipelines load them after it: metrics want them in the original pixels.
    """
    while hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    names = [type(step).__name__ for step in dataset.pipeline.transforms]
    loads = [i for i, name in enumerate(names) if "LoadAnnotations" in name]
    resizes = [i for i, name in enumerate(names) if "Resize" in name]
    return not loads or not resizes or loads[0] < resizes[0]


def _resized(instances: InstanceData | None, meta: dict[str, Any]) -> InstanceData | None:
    """Return the boxes in the pixels of the network's input."""
    if instances is None or "bboxes" not in instances:
        return instances
    boxes = get_box_tensor(instances.bboxes)
    scale = boxes.new_tensor(meta["scale_factor"]).repeat(2)
    return InstanceData(bboxes=boxes * scale, labels=instances.labels)
