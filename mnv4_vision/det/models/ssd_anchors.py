"""SSD's anchors as fractions of the input size, so that `--image-size` moves them too.

mmdet's `SSDAnchorGenerator` computes sizes for 300 and 512 px only.
"""

from collections.abc import Sequence
from math import ceil

from mmdet.models.task_modules import SSDAnchorGenerator
from mmdet.registry import TASK_UTILS

from mnv4_vision.core.errors import InputError

__all__ = ["ScaledSSDAnchors"]

MIN_IMAGE_SIZE = 128
# Levels finer than this lie below the linear rule: SSD section 3.1 for conv4_3.
LINEAR_FROM_STRIDE = 16


@TASK_UTILS.register_module()
class ScaledSSDAnchors(SSDAnchorGenerator):
    """SSD anchors for any input size.

    The sizes rise linearly (SSD section 2.2) from the first level of stride 16 to the last one; a
    finer level has half the size of the level above it. With the defaults at 320 px that is mmdet's
    SSDLite: 48, 99, 150, 202, 253, 304, and up to 320. The anchors of a level are spread evenly
    over the image: a last map of 3x3 at 320 px has stride 320 / 3 and not the nominal 128.

    Args:
        image_size: `(width, height)` of the network input in pixels; sizes follow the shorter side.
        strides: Nominal stride of each level, each a power of two, rising; a map's side is
            `ceil(image side / stride)`.
        size_range: Size of the anchors on the first level of stride 16 and on the last level, as
            fractions of the image's shorter side.
        ratios: Aspect ratios besides 1, each also inverted.

    Raises:
        InputError: An image below 128 px, whose maps are too small, or sizes that do not rise.
    """

    def __init__(
        self,
        image_size: Sequence[int] = (320, 320),
        strides: Sequence[int] = (16, 32, 64, 128, 256, 512),
        size_range: Sequence[float] = (0.15, 0.95),
        ratios: Sequence[float] = (2, 3),
    ) -> None:
        if min(image_size) < MIN_IMAGE_SIZE:
            raise InputError(
                f"image size {image_size[0]}x{image_size[1]}: SSD needs at least "
                f"{MIN_IMAGE_SIZE} px a side, as its coarse maps would have no pixels to tell apart"
            )
        sizes = _anchor_sizes(min(image_size), strides, size_range)
        super().__init__(
            strides=[
                tuple(side / ceil(side / stride) for side in image_size) for stride in strides
            ],
            ratios=[list(ratios)] * len(strides),
            min_sizes=sizes[:-1],
            max_sizes=sizes[1:],
            scale_major=False,
        )


def _anchor_sizes(side: int, strides: Sequence[int], size_range: Sequence[float]) -> list[float]:
    """Return the size in pixels of each level and the upper end of the last one."""
    low, high = size_range
    if not 0 < low < high <= 1:
        raise InputError(f"anchor size_range={tuple(size_range)}: give 0 < first < last <= 1")
    num_linear = sum(stride >= LINEAR_FROM_STRIDE for stride in strides)
    if num_linear < 2:
        raise InputError(f"anchor strides={list(strides)}: SSD needs two levels of stride >= 16")
    step = (high - low) / (num_linear - 1)
    linear = [low + step * i for i in range(num_linear)]
    fine = [low / 2**i for i in range(len(strides) - num_linear, 0, -1)]
    return [side * fraction for fraction in (*fine, *linear, 1.0)]
