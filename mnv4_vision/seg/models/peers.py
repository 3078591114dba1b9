"""mmseg's own mobile models, changed only where they could not run otherwise: peers to compare."""

from typing import Any

from mmseg.models.decode_heads import LRASPPHead
from mmseg.registry import MODELS
from torch import nn

__all__ = ["PooledLRASPPHead"]


@MODELS.register_module()
class PooledLRASPPHead(LRASPPHead):
    """mmseg's `LRASPPHead` whose gate pools the whole map; parameters and their names are the same.

    mmseg pools windows of 49 x 49 pixels of a map at stride 8, which needs images of 392 x 392
    pixels and more, in training too.

    Args:
        **kwargs: See mmseg's `LRASPPHead`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image_pool[0] = nn.AdaptiveAvgPool2d(1)
