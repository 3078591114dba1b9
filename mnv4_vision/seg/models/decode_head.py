"""What the heads of this package share: the maps they read, and settings they have no use for."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead

from mnv4_vision.core.errors import InputError, join_names

__all__ = ["MobileDecodeHead"]

_UNUSED = ("act_cfg", "conv_cfg", "input_transform", "norm_cfg")


class MobileDecodeHead(BaseDecodeHead):
    """A head on one or more maps of their own sizes, made of `ConvNormAct` layers.

    Args:
        in_channels: Channels of the maps, finest first.
        channels: Width.
        in_index: Positions of the maps in the backbone's tuple; by default all.
        **kwargs: mmseg's `BaseDecodeHead`: `num_classes`, `dropout_ratio`, `loss_decode`, ...

    Raises:
        InputError: A setting of mmseg's layers, which would have no effect.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        *,
        in_index: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        unused = [name for name in _UNUSED if name in kwargs]
        if unused:
            raise InputError(
                f"{type(self).__name__} has no use for {join_names(unused)}: its layers have batch "
                "norm and ReLU; sync_bn='torch' in the config synchronises the norms"
            )
        super().__init__(
            list(in_channels),
            channels,
            in_index=list(range(len(in_channels)) if in_index is None else in_index),
            input_transform="multiple_select",
            **kwargs,
        )
