"""How a segmentor looks at an image: the whole or windows of it, at one scale or several."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["GRID_PX", "Looks", "window_ranges"]

GRID_PX = 32  # every map's stride divides it, so windows on this grid share their maps' pixels


@dataclass(frozen=True)
class Looks:
    """The `test_cfg` of a `MobileSegmentor`.

    Attributes:
        mode: "whole", or "slide" for overlapping windows whose logits are averaged.
        crop_size: `(height, width)` of a window in pixels, multiples of `GRID_PX`.
        stride: `(down, right)` from one window to the next, alike.
        scales: Factors to the size of the network's input; the softmax is averaged.
        flip: Average over the mirrored image, too.
    """

    mode: str = "whole"
    crop_size: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    @classmethod
    def of(cls, test_cfg: Mapping[str, Any] | None) -> "Looks":
        """Read a config.

        Raises:
            InputError: A key or value is wrong.
        """
        test_cfg = dict(test_cfg or {})
        known = [field.name for field in fields(cls)]
        for key in test_cfg:
            if key not in known:
                raise InputError(
                    f"model.test_cfg.{key} is unknown{did_you_mean(key, known)}; it takes "
                    f"{', '.join(known)}"
                )
        looks = cls(**test_cfg)
        looks._check()
        return looks

    def _check(self) -> None:
        if self.mode not in ("whole", "slide"):
            raise _wrong("mode", self.mode, "'whole' or 'slide'")
        if self.mode == "slide":
            for key in ("crop_size", "stride"):
                if not _is_on_grid(getattr(self, key)):
                    wanted = f"(height, width) in pixels, multiples of {GRID_PX}"
                    raise _wrong(key, getattr(self, key), wanted)
            if any(s > c for s, c in zip(self.stride, self.crop_size, strict=True)):
                raise _wrong("stride", self.stride, f"at most crop_size={tuple(self.crop_size)}")
        scales = self.scales
        if not (isinstance(scales, list | tuple) and scales and all(map(_is_factor, scales))):
            raise _wrong("scales", scales, "a list of factors above 0, such as (0.75, 1.0, 1.25)")
        if not isinstance(self.flip, bool):
            raise _wrong("flip", self.flip, "True or False")

    @property
    def augments(self) -> bool:
        """Whether several looks at the image are averaged."""
        return self.flip or tuple(self.scales) != (1.0,)


def window_ranges(length: int, crop: int, stride: int) -> list[range]:
    """Return the windows over a side, which start on the grid and leave nothing out.

    The last one is up to `GRID_PX - 1` pixels longer, where the side is not on the grid.
    """
    last = max(length - crop, 0) // GRID_PX * GRID_PX
    starts = [*range(0, last, stride), last]
    return [range(start, length if start == last else start + crop) for start in starts]


def _is_on_grid(size: Any) -> bool:
    return (
        isinstance(size, list | tuple)
        and len(size) == 2
        and all(type(side) is int and side > 0 and side % GRID_PX == 0 for side in size)
    )


def _is_factor(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < value < 100


def _wrong(key: str, value: Any, allowed: str) -> InputError:
    return InputError(f"model.test_cfg.{key}={value!r}; it takes {allowed}")
