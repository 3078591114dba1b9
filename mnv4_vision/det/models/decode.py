"""From a head's maps to detections: scores first, and boxes only for what passes the threshold."""

import math

import torch
from mmcv.ops import batched_nms
from mmdet.models.utils import filter_scores_and_topk
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

__all__ = ["SparsePrediction"]

# Widens the first test by more than bfloat16 rounds a score; the exact one decides.
_SLACK = 0.01


class SparsePrediction:
    """Mix-in that gives an anchor head mmdet's predictions in less time.

    mmdet computes every score of every anchor, though nearly all anchors are background. A score
    above t needs a logit above log(t), over the background's logit where the scores are a softmax;
    so one maximum per anchor rules most of them out before any exponential. Anchors are kept
    between images of one size.

    For heads without score factors (centerness, IoU). Put it in front of the head's class.
    """

    _known_priors: tuple[tuple, list[Tensor]] = ((), [])

    def predict_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        score_factors: None = None,
        batch_img_metas: list[dict] | None = None,
        cfg: ConfigDict | None = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Detect on a batch.

        Args:
            cls_scores: Logits `(B, A * C, H, W)` of every level; of a softmax head, C counts the
                background, which comes last.
            bbox_preds: Box deltas `(B, A * 4, H, W)` of every level.
            score_factors: None.
            batch_img_metas: Of each image `img_shape`, and `scale_factor` if `rescale`.
            cfg: Test settings instead of the head's.
            rescale: Whether to return boxes in pixels of the original image.
            with_nms: Whether to suppress overlapping boxes.

        Returns:
            `bboxes` (N, 4), `scores` (N,) and `labels` (N,) of each image.
        """
        assert score_factors is None
        cfg = self.test_cfg if cfg is None else cfg
        levels = list(zip(cls_scores, bbox_preds, self._priors(cls_scores), strict=True))
        found = []
        for index, meta in enumerate(batch_img_metas):
            candidates = [
                self._candidates(logits[index].detach(), deltas[index].detach(), priors, cfg)
                for logits, deltas, priors in levels
            ]
            scores, labels, deltas, priors = map(torch.cat, zip(*candidates, strict=True))
            boxes = self.bbox_coder.decode(priors, deltas, max_shape=meta["img_shape"])
            if rescale:
                boxes = boxes * boxes.new_tensor([1 / side for side in meta["scale_factor"]] * 2)
            found.append(_select(boxes, scores, labels, cfg, with_nms))
        return found

    def _priors(self, cls_scores: list[Tensor]) -> list[Tensor]:
        """Return the anchors `(H * W * A, 4)` of every level."""
        sizes = [level.shape[-2:] for level in cls_scores]
        options = {"dtype": cls_scores[0].dtype, "device": cls_scores[0].device}
        key = (*sizes, *options.values())
        if self._known_priors[0] != key:
            self._known_priors = (key, self.prior_generator.grid_priors(sizes, **options))
        return self._known_priors[1]

    def _candidates(
        self, logits: Tensor, deltas: Tensor, priors: Tensor, cfg: ConfigDict
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return scores, labels, deltas and anchors of a level's best scores, the best first."""
        threshold = cfg.get("score_thr", 0)
        logits = logits.permute(1, 2, 0).reshape(-1, self.cls_out_channels)
        rows = self._may_exceed(threshold, logits).nonzero().squeeze(1)
        logits = logits[rows]
        all_scores = logits.sigmoid() if self.use_sigmoid_cls else logits.softmax(-1)[:, :-1]
        scores, labels, kept, _ = filter_scores_and_topk(
            all_scores, threshold, cfg.get("nms_pre", -1)
        )
        anchors = rows[kept]
        deltas = deltas.permute(1, 2, 0).reshape(-1, self.bbox_coder.encode_size)
        return scores, labels, deltas[anchors], priors[anchors]

    def _may_exceed(self, threshold: float, logits: Tensor) -> Tensor:
        """Return the mask `(N,)` of the rows that may hold a score above `threshold`."""
        bound = math.log(threshold) - _SLACK if threshold > 0 else -math.inf
        if self.use_sigmoid_cls:
            best = logits.amax(1)
        else:
            best = logits[:, :-1].amax(1).float() - logits[:, -1].float()
        return ~(best <= bound)  # a NaN may stand beside a score


def _select(
    boxes: Tensor, scores: Tensor, labels: Tensor, cfg: ConfigDict, with_nms: bool
) -> InstanceData:
    """Leave out small boxes and, class by class, those that a better one overlaps."""
    smallest = cfg.get("min_bbox_size", -1)
    if smallest >= 0:
        wide_enough = ((boxes[:, 2:] - boxes[:, :2]) > smallest).all(1)
        boxes, scores, labels = boxes[wide_enough], scores[wide_enough], labels[wide_enough]
    if with_nms and len(boxes):
        kept_boxes, kept = batched_nms(boxes, scores, labels, cfg.nms)
        kept = kept[: cfg.max_per_img]
        # Soft NMS changes scores.
        boxes, scores, labels = boxes[kept], kept_boxes[: cfg.max_per_img, -1], labels[kept]
    return InstanceData(bboxes=boxes, scores=scores, labels=labels)
