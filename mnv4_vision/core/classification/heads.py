"""Classification heads besides MobileNetV4's own: a linear one, and those of timm's networks."""

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from mnv4_vision.core.backbones.init import draw_classifier
from mnv4_vision.core.backbones.timm_backbone import TimmBackbone, import_timm
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.necks import MultiScaleFusionNeck

__all__ = ["LinearHead", "TimmHead", "fit_head"]

# What timm's families run between C5 and `forward_head`.
_TAILS = {
    "EfficientNet": ("conv_head", "bn2"),
    "ByobNet": ("final_conv",),
    "ConvNeXt": ("norm_pre",),
}
# Their classifier reads C4 and C5, through `MultiScaleFusionNeck`.
_FUSING = ("mobilenetv5",)


@MODELS.register_module()
class LinearHead(BaseModule):
    """Average pool, dropout, linear layer.

    Args:
        in_channels: Channels of C5.
        num_classes: Classes.
        drop_rate: Dropout in front of the linear layer.
        init_cfg: mmengine's.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        drop_rate: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.dropout = nn.Dropout(drop_rate)
        self.fc = nn.Linear(in_channels, num_classes)
        draw_classifier(self.fc)

    def forward(self, x: Tensor) -> Tensor:
        """Map C5 (B, C, H, W) to logits (B, num_classes)."""
        return self.fc(self.dropout(x.mean((2, 3))))


@MODELS.register_module()
class TimmHead(BaseModule):
    """What a timm network has behind C5: with `TimmBackbone` it makes the whole network.

    Args:
        model_name: timm's, that of the backbone.
        num_classes: Classes.
        drop_rate: Dropout in front of the linear layer.
        init_cfg: mmengine's.

    Raises:
        InputError: The network's classifier reads more than C5 (MobileNetV5: see `fit_head`).
    """

    def __init__(
        self,
        model_name: str,
        num_classes: int,
        *,
        drop_rate: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        if _fuses(model_name):
            raise InputError(
                f"TimmHead: {model_name} classifies C4 and C5 fused: use MultiScaleFusionNeck and "
                "LinearHead"
            )
        network = import_timm().create_model(
            model_name, num_classes=num_classes, drop_rate=drop_rate
        )
        classifier = network.get_classifier()
        if isinstance(classifier, nn.Linear):  # timm's own draw is large for few classes
            draw_classifier(classifier)
        with torch.device("meta"):
            body = TimmBackbone(model_name, out_indices=(4,)).model
        for name in {key.partition(".")[0].partition("_0")[0] for key in body.state_dict()}:
            if hasattr(network, name):
                setattr(network, name, nn.Identity())
        self.network = network
        self.tail = _TAILS.get(type(network).__name__, ())

    def forward(self, x: Tensor) -> Tensor:
        """Map C5 (B, C, H, W) to logits (B, num_classes)."""
        for name in self.tail:
            x = getattr(self.network, name)(x)
        return self.network.forward_head(x)


def fit_head(model: ConfigDict, channels: int) -> None:
    """Give a classifier's config the head that goes with its backbone.

    `MobileNetV4Head` and `TimmHead` follow the backbone and take each other's place; MobileNetV5
    gets its fusion of C4 and C5 as neck. Other heads take the number of channels.

    Args:
        model: Config of a `Classifier`, changed in place.
        channels: Of the backbone's C5.
    """
    backbone, head = model.backbone, model.head
    followed = {"in_channels": channels}
    if _name(head) in ("MobileNetV4Head", "TimmHead"):
        kept = {key: head[key] for key in ("num_classes", "drop_rate") if key in head}
        if _name(backbone) == "MobileNetV4":
            bn = {key: backbone[key] for key in ("bn_eps", "bn_momentum") if key in backbone}
            followed |= dict(type="MobileNetV4Head", arch=backbone.arch) | bn
        elif _name(backbone) == "TimmBackbone":
            followed = _timm_head(model)
        head.clear()
        head.update(followed, **kept)
    else:
        head.update(followed)


def _timm_head(model: ConfigDict) -> dict:
    name = model.backbone.model_name
    if not _fuses(name):
        return dict(type="TimmHead", model_name=name)
    model.backbone.out_indices = (3, 4)
    with torch.device("meta"):
        in_channels = TimmBackbone(name, out_indices=(3, 4)).out_channels
        channels = MultiScaleFusionNeck(in_channels).out_channels[-1]
    model.neck = dict(type="MultiScaleFusionNeck", in_channels=in_channels, output_size=16)
    return dict(type="LinearHead", in_channels=channels)


def _fuses(model_name: str) -> bool:
    return import_timm().models.is_model_in_modules(model_name, _FUSING)


def _name(part: ConfigDict) -> str:
    kind = part["type"]
    return kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
