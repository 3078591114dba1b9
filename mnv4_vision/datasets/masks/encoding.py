"""What the values of a mask file mean: a class each, or no class."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from mnv4_vision.core.errors import InputError

__all__ = ["IGNORED", "MAX_CLASSES", "Colour", "MaskEncoding"]

IGNORED = 255  # the label of a pixel without class
_UNKNOWN = 254  # in the tables only: a value that nothing declares
MAX_CLASSES = 254

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class MaskEncoding:
    """The values of mask files in label order.

    Attributes:
        values: `values[i]` is what class `i` has in the files: an integer, or an RGB colour for
            all classes.
        ignored: The values that mean "no class".
    """

    values: tuple[int, ...] | tuple[Colour, ...]
    ignored: tuple[int, ...] | tuple[Colour, ...] = (IGNORED,)

    @property
    def in_colour(self) -> bool:
        """Whether the files are read as RGB colours; else as indices, a palette unused."""
        return isinstance(self.values[0], tuple)

    def labels(self, mask: np.ndarray) -> np.ndarray:
        """Turn file values into labels.

        Args:
            mask: `(H, W)` uint8 or uint16, or `(H, W, 3)` uint8 in RGB order, as `read_mask`
                gives them.

        Returns:
            `(H, W)` uint8: a class, or 255 for none.

        Raises:
            InputError: A value is neither that of a class nor ignored.
        """
        labels = self._look_up(mask)
        if (labels == _UNKNOWN).any():
            raise InputError(self._say_unknown(mask, labels == _UNKNOWN))
        return labels

    def _look_up(self, mask: np.ndarray) -> np.ndarray:
        if self.in_colour:
            return _colour_table(self.values, self.ignored)[_packed(mask)]
        table = _index_table(self.values, self.ignored)
        return cv2.LUT(mask, table[:256]) if mask.dtype == np.uint8 else table[mask]

    def _say_unknown(self, mask: np.ndarray, unknown: np.ndarray) -> str:
        values, counts = np.unique(mask[unknown], axis=0, return_counts=True)
        shown = ", ".join(str(value.tolist()) for value in values[np.argsort(-counts)][:5])
        more = f" and {len(values) - 5} more" if len(values) > 5 else ""
        return (
            f"holds {shown}{more} ({unknown.sum()} pixels), allowed are the values of the "
            f"{len(self.values)} classes ({_say_values(self.values)}) and "
            f"{_say_values(self.ignored)} for no class{self._advise(values)}"
        )

    def _advise(self, unknown: np.ndarray) -> str:
        count = len(self.values)
        counted_from_1 = self.values == tuple(range(count)) and unknown.tolist() == [count]
        return ": reduce_zero_label=True is for masks where 0 is no class" if counted_from_1 else ""


# Kept out of the encodings, which go with every sample.
@lru_cache(maxsize=4)
def _index_table(values: tuple[int, ...], ignored: tuple[int, ...]) -> np.ndarray:
    table = np.full(1 << 16, _UNKNOWN, np.uint8)
    table[list(ignored)] = IGNORED
    table[list(values)] = np.arange(len(values))
    return table


@lru_cache(maxsize=2)  # 16 MB each
def _colour_table(values: tuple[Colour, ...], ignored: tuple[Colour, ...]) -> np.ndarray:
    table = np.full(1 << 24, _UNKNOWN, np.uint8)
    for label, colours in ((IGNORED, ignored), *((i, (c,)) for i, c in enumerate(values))):
        table[[red << 16 | green << 8 | blue for red, green, blue in colours]] = label
    return table


def _packed(mask: np.ndarray) -> np.ndarray:
    """Return `(H, W)` uint32 with red in bits 16 to 23 and blue in the lowest."""
    blue_first = cv2.cvtColor(mask, cv2.COLOR_RGB2BGRA)
    return blue_first.view("<u4")[..., 0] & 0xFFFFFF


def _say_values(values: tuple) -> str:
    if not values:
        return "nothing"
    first, last = values[0], values[-1]
    if len(values) > 2 and isinstance(first, int) and values == tuple(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, values[:6])) + (", ..." if len(values) > 6 else "")
