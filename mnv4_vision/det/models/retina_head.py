"""RetinaNet's head for mobile: separable convolutions shared by the levels, a norm per level."""

from mmdet.models.dense_heads import RetinaSepBNHead
from mmdet.registry import MODELS
from mmengine.model import bias_init_with_prob

from mnv4_vision.det.models.decode import SparsePrediction
from mnv4_vision.det.models.separable import SeparableConv2d, init_separable

__all__ = ["SeparableRetinaHead"]


@MODELS.register_module()
class SeparableRetinaHead(SparsePrediction, RetinaSepBNHead):
    """`RetinaSepBNHead` with every 3x3 convolution separable, the predictors included.

    MobileNetV4 section 7.2: 256 wide, 4 convolutions a branch. The convolutions are shared between
    P3..P7, the batch norms are not, since the levels' statistics differ.

    Args:
        num_classes: Number of classes, background not counted.
        in_channels: Channels of every level.
        num_ins: Number of levels.
        prior_prob: Initial foreground probability (RetinaNet section 3.3).
        norm_cfg: Normalisation after each of the stacked convolutions.
        **kwargs: As `RetinaSepBNHead`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 256,
        num_ins: int = 5,
        prior_prob: float = 0.01,
        norm_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        self.prior_prob = prior_prob
        super().__init__(
            num_classes=num_classes,
            num_ins=num_ins,
            in_channels=in_channels,
            conv_cfg=dict(type=SeparableConv2d),
            norm_cfg=norm_cfg or dict(type="BN"),
            **kwargs,
        )

    def _init_layers(self) -> None:
        super()._init_layers()
        scores, deltas = self.retina_cls.out_channels, self.retina_reg.out_channels
        self.retina_cls = SeparableConv2d(self.feat_channels, scores, 3, padding=1)
        self.retina_reg = SeparableConv2d(self.feat_channels, deltas, 3, padding=1)

    def init_weights(self) -> None:
        """Initialise the convolutions and set the classifier's bias to `prior_prob`."""
        init_separable(self)
        self.retina_reg.init_weights(pointwise_std=0.01)
        self.retina_cls.init_weights(0.01, bias=bias_init_with_prob(self.prior_prob))
