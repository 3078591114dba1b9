"""Lite reduced ASPP, the segmentation head of MobileNetV3 (arXiv 1905.02244, section 6.4)."""

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mnv4_vision.core.backbones.layers import ConvNormAct
from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.models.decode_head import MobileDecodeHead

__all__ = ["MobileLRASPPHead"]


@MODELS.register_module()
class MobileLRASPPHead(MobileDecodeHead):
    """LR-ASPP as the paper has it; mmseg's `LRASPPHead` is another network.

    The last map goes through a 1x1 convolution gated by a pooled sigmoid branch, and is classified;
    so is every finer map, by a 1x1 convolution alone. Logits add up from coarse to fine. The gate
    pools the whole map, as torchvision's does; the paper's 49x49 window is tied to its 1024x2048
    images. Logits are upsampled rather than features: a 1x1 convolution and bilinear upsampling
    commute, and it is a quarter of the work.

    Args:
        in_channels: Channels of the maps, finest first; the paper's are `(C3, C5)`.
        channels: Width of the last map's branch.
        **kwargs: See `MobileDecodeHead`.

    Raises:
        InputError: Fewer than two maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, channels, **kwargs)
        if len(in_channels) < 2:
            raise InputError(
                f"MobileLRASPPHead: in_channels={tuple(in_channels)}; it takes a finer map, too: "
                "add one to model.backbone.out_indices"
            )
        *low, high = in_channels
        self.high = ConvNormAct(high, channels, 1)
        self.gate = nn.Conv2d(high, channels, 1, bias=False)
        self.low_classifiers = nn.ModuleList(nn.Conv2d(c, self.out_channels, 1) for c in low)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Map the backbone's maps to logits `(B, num_classes, h, w)` at the finest map's size."""
        *low, high = self._transform_inputs(inputs)
        gate = self.gate(functional.adaptive_avg_pool2d(high, 1)).sigmoid()
        logits = self.cls_seg(self.high(high) * gate)
        for x, classifier in zip(reversed(low), reversed(self.low_classifiers), strict=True):
            logits = functional.interpolate(
                logits, x.shape[2:], mode="bilinear", align_corners=self.align_corners
            )
            logits = logits + classifier(x)
        return logits
