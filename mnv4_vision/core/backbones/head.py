"""The classifier on top of the backbone, as trained on ImageNet by TensorFlow and timm."""

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from mnv4_vision.core.backbones.builder import LayerFactory
from mnv4_vision.core.backbones.init import initialize
from mnv4_vision.core.backbones.layers import make_divisible
from mnv4_vision.core.backbones.mobilenet_v4 import MobileNetV4
from mnv4_vision.core.backbones.specs import Arch, get_arch

__all__ = ["MobileNetV4Classifier", "MobileNetV4Head"]


@MODELS.register_module()
class MobileNetV4Head(BaseModule):
    """1x1 convolution to 960, average pool, 1x1 convolution to 1280, dropout, linear layer.

    Args:
        arch: Key of `ARCHS`, or an `Arch`.
        in_channels: Channels of C5.
        num_classes: Classes; 0 gives the features in front of the linear layer.
        drop_rate: Dropout in front of the linear layer.
        bn_eps: Epsilon of the BN layers.
        bn_momentum: Momentum of the BN layers.
        init_cfg: mmengine's.
    """

    def __init__(
        self,
        arch: str | Arch,
        in_channels: int,
        num_classes: int = 1000,
        *,
        drop_rate: float = 0.0,
        bn_eps: float = 1e-5,
        bn_momentum: float = 0.1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        arch = get_arch(arch)
        layers = LayerFactory(arch.activation, bn_eps=bn_eps, bn_momentum=bn_momentum)
        self.num_classes = num_classes
        self.expand = None
        if arch.head_channels is not None:
            width = make_divisible(arch.head_channels * arch.width_mult)
            self.expand = layers.conv(in_channels, width, 1)
            in_channels = width
        self.hidden = layers.conv(in_channels, arch.hidden_channels, 1)
        self.dropout = nn.Dropout(drop_rate)
        self.fc = nn.Linear(arch.hidden_channels, num_classes) if num_classes else nn.Identity()
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map C5 (B, C, H, W) to logits (B, num_classes)."""
        if self.expand is not None:
            x = self.expand(x)
        x = self.hidden(x.mean((2, 3), keepdim=True))
        return self.fc(self.dropout(x.flatten(1)))


class MobileNetV4Classifier(BaseModule):
    """Backbone and head: the network of the paper's ImageNet table.

    Args:
        arch: Key of `ARCHS`, or an `Arch`.
        num_classes: Classes; 0 gives the 1280 features.
        drop_rate: Dropout in front of the linear layer.
        pretrained: `arch.tag`, timm's tag or a path, loaded by `init_weights`, with the head; a
            linear layer for another number of classes stays as the constructor drew it.
        **backbone: Further arguments of `MobileNetV4`; BN settings also reach the head.
    """

    def __init__(
        self,
        arch: str | Arch = "conv_m",
        num_classes: int = 1000,
        *,
        drop_rate: float = 0.0,
        pretrained: str | None = None,
        **backbone: object,
    ) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.backbone = MobileNetV4(arch, out_indices=(4,), **backbone)
        bn = {key: backbone[key] for key in ("bn_eps", "bn_momentum") if key in backbone}
        channels = self.backbone.out_channels[-1]
        self.head = MobileNetV4Head(
            self.backbone.arch, channels, num_classes, drop_rate=drop_rate, **bn
        )

    def init_weights(self) -> None:
        """Load `pretrained`; without it the weights stay as the constructor drew them."""
        if self.is_init:
            return
        super().init_weights()
        if self.pretrained:
            from mnv4_vision.core.weights import load_pretrained  # weights know the backbones

            load_pretrained(self, self.pretrained)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to logits (B, num_classes)."""
        return self.head(self.backbone(x)[-1])
