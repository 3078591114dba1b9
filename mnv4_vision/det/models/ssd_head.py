"""SSD's box head with a choice of losses."""

import torch
from mmdet.models.dense_heads import SSDHead
from mmdet.registry import MODELS
from mmengine.model import bias_init_with_prob
from torch import Tensor, nn
from torch.nn import functional

from mnv4_vision.det.models.decode import SparsePrediction

__all__ = ["MobileSSDHead", "PredictingSSDHead"]


@MODELS.register_module()
class PredictingSSDHead(SSDHead):
    """mmdet's `SSDHead`, unchanged but for an attribute that prediction reads and it lacks.

    In mmdet 3.3 to onedl-mmdetection 3.5.1 `predict` ends in `AttributeError: loss_cls`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.loss_cls: nn.Module | None = None


@MODELS.register_module()
class MobileSSDHead(SparsePrediction, PredictingSSDHead):
    """One predictor per level: a separable 3x3 convolution (SSDLite) or an ordinary one (SSD).

    Without `loss_cls` it is SSD's softmax over the classes and the background, on all positive
    anchors and the `train_cfg.neg_pos_ratio` times as many hardest negative ones of an image
    (section 2.2); an image without objects counts as having one. With `loss_cls` every anchor
    counts, and a sigmoid loss (focal loss) needs no background class.

    Args:
        num_classes: Number of classes, background not counted.
        in_channels: Channels of each level.
        use_depthwise: Separable predictors.
        loss_cls: Classification loss in place of softmax with hard negatives.
        loss_bbox: Box loss; smooth L1 on the encoded boxes by default. IoU losses need
            `reg_decoded_bbox=True`.
        prior_prob: Initial probability of each class with a sigmoid loss (RetinaNet section 3.3).
        norm_cfg: Normalisation of the depthwise convolutions.
        act_cfg: Activation of the depthwise convolutions.
        **kwargs: As `SSDHead`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: list[int],
        use_depthwise: bool = False,
        loss_cls: dict | None = None,
        loss_bbox: dict | None = None,
        prior_prob: float = 0.01,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        loss = MODELS.build(loss_cls) if loss_cls else None
        # As the loss itself has it: FocalLoss is a sigmoid loss by default.
        self._sigmoid = bool(getattr(loss, "use_sigmoid", False))
        self.prior_prob = prior_prob
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            use_depthwise=use_depthwise,
            norm_cfg=norm_cfg or dict(type="BN"),
            act_cfg=act_cfg or dict(type="ReLU"),
            init_cfg=None,
            **kwargs,
        )
        self.use_sigmoid_cls = self._sigmoid
        self.loss_cls = loss
        self.loss_bbox = MODELS.build(loss_bbox or dict(type="SmoothL1Loss", beta=1.0))

    def _init_layers(self) -> None:
        self.cls_out_channels = self.num_classes + (not self._sigmoid)
        super()._init_layers()

    def init_weights(self) -> None:
        """Initialise depthwise kernels by fan-in and start all predictors near zero."""
        for branch in (*self.cls_convs, *self.reg_convs):
            for module in branch.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            nn.init.normal_(branch[-1].weight, std=0.01)
            nn.init.zeros_(branch[-1].bias)
        if self._sigmoid:
            for branch in self.cls_convs:
                nn.init.constant_(branch[-1].bias, bias_init_with_prob(self.prior_prob))

    def loss_by_feat_single(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchor: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
        avg_factor: int,
    ) -> tuple[Tensor, Tensor]:
        """Return classification and box loss of one image with A anchors.

        Args:
            cls_score: `(A, cls_out_channels)`.
            bbox_pred: `(A, 4)` encoded boxes.
            anchor: `(A, 4)` xyxy.
            labels: `(A,)`, `num_classes` for background.
            label_weights: `(A,)`, 0 for ignored anchors.
            bbox_targets: `(A, 4)`.
            bbox_weights: `(A, 4)`, 0 but for positive anchors.
            avg_factor: Positive anchors of the batch.
        """
        positive = (labels < self.num_classes).nonzero().flatten()
        if self.loss_cls is None:
            loss_cls = self._hard_negative_loss(cls_score, labels, label_weights, len(positive))
            loss_cls = loss_cls / avg_factor
        else:
            loss_cls = self.loss_cls(cls_score, labels, label_weights, avg_factor=avg_factor)
        boxes = bbox_pred[positive]
        if self.reg_decoded_bbox:
            boxes = self.bbox_coder.decode(anchor[positive], boxes)
        loss_bbox = self.loss_bbox(
            boxes, bbox_targets[positive], bbox_weights[positive], avg_factor=avg_factor
        )
        return loss_cls.reshape(1), loss_bbox.reshape(1)

    def _hard_negative_loss(
        self, cls_score: Tensor, labels: Tensor, label_weights: Tensor, num_positive: int
    ) -> Tensor:
        losses = functional.cross_entropy(cls_score, labels, reduction="none") * label_weights
        is_negative = labels == self.num_classes
        negative = losses[is_negative]
        wanted = self.train_cfg["neg_pos_ratio"] * max(num_positive, 1)
        hardest = torch.topk(negative, min(wanted, len(negative))).values
        return losses[~is_negative].sum() + hardest.sum()
