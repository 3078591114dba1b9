"""SSD's extra levels below the backbone's maps."""

from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmdet.models.necks import SSDNeck
from mmdet.registry import MODELS
from torch import Tensor, nn

from mnv4_vision.core.errors import InputError

__all__ = ["SSDExtraLevels"]


@MODELS.register_module()
class SSDExtraLevels(SSDNeck):
    """mmdet's `SSDNeck` whose channels follow from the backbone's maps.

    The backbone's `out_indices` choose the maps that are tapped: `(3, 4)` are C4 and C5 (strides 16
    and 32), the outputs of the last blocks of their stages; `(2, 3, 4)` adds C3 (stride 8), for
    objects of less than about 30 px in the network input. `expand_last=960` puts MNv4's last 1x1
    convolution, which belongs to the classifier, on C5, as MobileNetV2/V3-SSDLite tap it; it starts
    from random weights.

    Each extra level is a 1x1 convolution to half its width and a 3x3 one of stride 2. A map of one
    pixel stays one pixel, so that the same weights fit every input size.

    Args:
        in_channels: Channels of the backbone's maps, finest first.
        extra_channels: Channels of the extra levels.
        expand_last: Channels of a 1x1 convolution on the last map; None for the map itself.
        use_depthwise: Separable 3x3 convolutions (SSDLite).
        norm_cfg: Normalisation after every convolution.
        act_cfg: Activation after every convolution.

    Attributes:
        out_channels: Channels of each level.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        extra_channels: Sequence[int] = (512, 256, 256, 128),
        expand_last: int | None = None,
        use_depthwise: bool = False,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ) -> None:
        if not extra_channels:
            raise InputError("SSDExtraLevels: extra_channels is empty, give it one width or more")
        layers = dict(norm_cfg=norm_cfg or dict(type="BN"), act_cfg=act_cfg or dict(type="ReLU"))
        taps = (*in_channels[:-1], expand_last or in_channels[-1])
        self.out_channels = (*taps, *extra_channels)
        super().__init__(
            taps,
            self.out_channels,
            level_strides=(2,) * len(extra_channels),
            level_paddings=(1,) * len(extra_channels),
            l2_norm_scale=None,
            use_depthwise=use_depthwise,
            init_cfg=None,
            **layers,
        )
        last = in_channels[-1]
        self.expand = ConvModule(last, expand_last, 1, **layers) if expand_last else nn.Identity()

    def init_weights(self) -> None:
        """Initialise by fan-in (mmdet's rules would shrink the depthwise kernels)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the tapped maps and the extra levels, in rising stride."""
        return super().forward((*inputs[:-1], self.expand(inputs[-1])))
