"""The losses on validation and test data, from the head's outputs that the prediction made."""

from collections import defaultdict
from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import Tensor, nn

__all__ = ["ValLossHook"]


@HOOKS.register_module()
class ValLossHook(Hook):
    """Adds the losses, means over the images, to the metrics of a validation or test.

    The network runs once: what the box head returned for the prediction also goes into its
    `loss_by_feat`. Single-stage detectors of mmdet only; others, and data without boxes, keep their
    metrics as they are.

    Args:
        max_images: of larger data sets take every n-th batch, for about so many images: with 80
            classes on a CPU, the losses of all would take a quarter of a RetinaNet's prediction.
    """

    # Before RuntimeInfoHook, LoggerHook and HistoryHook, which pass the metrics on.
    priority = "HIGHEST"

    def __init__(self, max_images: int = 1000) -> None:
        self.max_images = max_images
        self._handle: Any = None
        self._outputs: Any = None

    def before_val_epoch(self, runner: Runner) -> None:
        """Start to listen to the head."""
        self._start(runner.model, runner.val_dataloader.dataset)

    def before_test_epoch(self, runner: Runner) -> None:
        """Start to listen to the head."""
        self._start(runner.model, runner.test_dataloader.dataset)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Add the losses of a batch."""
        due = batch_idx % self._every == 0 and self._outputs is not None and outputs
        if due and "bboxes" in outputs[0].gt_instances:
            self._add(outputs)
        self._outputs = None

    after_test_iter = after_val_iter

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the means to `metrics`, as `loss` and its parts."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self._sums and metrics is not None:
            totals = torch.stack([*self._sums.values()])
            all_reduce(totals)
            *sums, images, boxes = totals.tolist()
            if boxes:
                names = list(self._sums)[:-2]
                metrics.update({n: value / images for n, value in zip(names, sums, strict=True)})
        self._sums.clear()

    after_test_epoch = after_val_epoch

    def _start(self, model: nn.Module, dataset: Any) -> None:
        self._sums: dict[str, Tensor] = defaultdict(float)
        self._every = ceil(len(dataset) / self.max_images)
        self._model = model.module if is_model_wrapper(model) else model
        head = getattr(self._model, "bbox_head", None)
        # Where `loss` is another's, it may need more than the head's outputs.
        if isinstance(head, BaseDenseHead) and type(head).loss is BaseDenseHead.loss:
            self._boxes_are_resized = _boxes_are_resized(dataset)
            self._handle = head.register_forward_hook(self._keep)

    def _keep(self, head: nn.Module, inputs: Any, outputs: Any) -> None:
        self._outputs = outputs

    @torch.no_grad()
    def _add(self, samples: Sequence[DetDataSample]) -> None:
        truth, ignored, metas = unpack_gt_instances(samples)
        if not self._boxes_are_resized:
            truth, ignored = (
                [_resized(one, meta) for one, meta in zip(instances, metas, strict=True)]
                for instances in (truth, ignored)
            )
        losses = self._model.bbox_head.loss_by_feat(*_float(self._outputs), truth, metas, ignored)
        boxes = sum(len(one) for one in truth)
        values = self._model.parse_losses(losses)[1]
        for name, value in values.items():
            self._sums[name] += value.double() * len(samples)
        like = values["loss"].double()
        for name, value in (("images", len(samples)), ("boxes", boxes)):
            self._sums[name] += like.new_tensor(value)


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


def _float(outputs: Any) -> Any:
    """Return nested tensors in float32: losses in half precision overflow."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    return type(outputs)(map(_float, outputs))
