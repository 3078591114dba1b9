"""RandAugment as MobileNetV4 trains with it: operations and ranges of TensorFlow's model garden.

Source: `RandAugment` of tensorflow/models, official/vision/ops/augment.py. Where that code is known
not to do what it means, docs/augmentation.md says which of the two this is.
"""

from collections.abc import Callable, Sequence
from math import cos, radians, sin
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from PIL import Image, ImageEnhance, ImageOps

from mnv4_vision.core.errors import InputError, did_you_mean, join_names

__all__ = ["OPERATIONS", "Operation", "RandAugment"]


class Operation(NamedTuple):
    """One operation of the table.

    Attributes:
        apply: Function of an RGB image, `(H, W, 3)` uint8, and a strength.
        strength: Function of `magnitude / 10` and `translate_const`; None for an operation that
            has no strength.
        is_signed: Whether half of the strengths drawn are negative.
    """

    apply: Callable[..., np.ndarray]
    strength: Callable[[float, float], float] | None = None
    is_signed: bool = False


@TRANSFORMS.register_module()
class RandAugment(BaseTransform):
    """Apply random operations, one after the other, all of the same magnitude.

    Each layer applies, with probability `prob`, one of the operations drawn evenly, or nothing, as
    likely as each of them. It belongs behind the crop, as `translate_const` counts pixels of the
    network's input. Cubuk et al., "RandAugment"; MobileNetV4, table 10.

    Args:
        num_layers: Operations drawn for an image.
        magnitude: Strength of all operations. 10 is the end of the ranges of the RandAugment
            paper, 15 is allowed and beyond them.
        prob: Probability of each layer.
        excluded: Names of operations to leave out. `Cutout` is left out in any case.
        translate_const: Shift at magnitude 10, in pixels; the paper's configurations have 10, for
            Conv-S 20.
    """

    def __init__(
        self,
        num_layers: int = 2,
        magnitude: float = 10.0,
        prob: float = 1.0,
        excluded: Sequence[str] = (),
        translate_const: float = 10.0,
    ) -> None:
        if not isinstance(num_layers, int) or num_layers < 1:
            raise InputError(f"RandAugment: num_layers={num_layers!r}, not a whole number above 0")
        for name, value, most in (("magnitude", magnitude, 30), ("prob", prob, 1)):
            if not 0 <= value <= most:
                raise InputError(f"RandAugment: {name}={value}, allowed are 0 to {most}")
        if translate_const < 0:
            raise InputError(f"RandAugment: translate_const={translate_const}, pixels below 0")
        self.num_layers, self.magnitude, self.prob = num_layers, magnitude, prob
        self.excluded, self.translate_const = _checked_names(excluded), translate_const
        self.names = [name for name in OPERATIONS if name not in self.excluded]

    def transform(self, results: dict) -> dict:
        """Augment `results["img"]`, `(H, W, 3)` uint8 BGR; its size stays."""
        steps = [step for _ in range(self.num_layers) if (step := self._draw()) is not None]
        if steps:
            image = cv2.cvtColor(results["img"], cv2.COLOR_BGR2RGB)
            for name, strength in steps:
                image = OPERATIONS[name].apply(image, *strength)
            results["img"] = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        return results

    def _draw(self) -> tuple[str, tuple[float, ...]] | None:
        """Return the name and the strength, if it has one, of what a layer does."""
        if np.random.random_sample() >= self.prob:
            return None
        index = np.random.randint(len(self.names) + 1)
        if index == len(self.names):  # TensorFlow draws one more than there are operations
            return None
        name = self.names[index]
        operation = OPERATIONS[name]
        if operation.strength is None:
            return name, ()
        strength = operation.strength(self.magnitude / 10, self.translate_const)
        negative = operation.is_signed and np.random.random_sample() < 0.5
        return name, (-strength if negative else strength,)

    def __repr__(self) -> str:
        names = ("num_layers", "magnitude", "prob", "excluded", "translate_const")
        return f"RandAugment({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


def _checked_names(excluded: Sequence[str]) -> tuple[str, ...]:
    names = (excluded,) if isinstance(excluded, str) else tuple(excluded)
    allowed = (*OPERATIONS, "Cutout")
    for name in names:
        if name not in allowed:
            raise InputError(
                f"RandAugment: excluded has {name!r}, allowed are {join_names(allowed, 16)}"
                f"{did_you_mean(str(name), allowed)}"
            )
    if set(names) >= set(OPERATIONS):
        raise InputError("RandAugment: excluded leaves no operation: leave RandAugment out instead")
    return names


def _by_pillow(function: Callable[..., Image.Image]) -> Callable[..., np.ndarray]:
    """Let a function of Pillow images take and return arrays."""

    def apply(image: np.ndarray, *strength: float) -> np.ndarray:
        return np.asarray(function(Image.fromarray(image), *strength))

    return apply


def _enhance(kind: Any) -> Callable[..., np.ndarray]:
    return _by_pillow(lambda image, factor: kind(image).enhance(factor))


def _solarize_add(image: np.ndarray, addition: int) -> np.ndarray:
    """Add to the values below 128."""
    values = np.arange(256)
    table = np.where(values < 128, np.minimum(values + addition, 255), values)
    return cv2.LUT(image, table.astype(np.uint8))


def _warp(image: np.ndarray, matrix: list[list[float]]) -> np.ndarray:
    """Take each pixel from where `matrix`, `(2, 3)`, maps it to; beyond the border is a mirror."""
    return cv2.warpAffine(
        image,
        np.array(matrix, np.float64),
        image.shape[1::-1],
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )


def _rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Turn around the centre."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    x, y = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
    return _warp(image, [[c, -s, x - c * x + s * y], [s, c, y - s * x - c * y]])


def _shear_x(image: np.ndarray, factor: float) -> np.ndarray:
    return _warp(image, [[1, factor, 0], [0, 1, 0]])


def _shear_y(image: np.ndarray, factor: float) -> np.ndarray:
    return _warp(image, [[1, 0, 0], [factor, 1, 0]])


def _translate_x(image: np.ndarray, pixels: float) -> np.ndarray:
    return _warp(image, [[1, 0, pixels], [0, 1, 0]])


def _translate_y(image: np.ndarray, pixels: float) -> np.ndarray:
    return _warp(image, [[1, 0, 0], [0, 1, pixels]])


def _factor(level: float, _: float) -> float:
    return level * 1.8 + 0.1


def _bits(level: float, _: float) -> int:
    # TensorFlow's shift stops at 7 of 8 bits, so one is always kept.
    return min(8, max(1, int(level * 4)))


def _angle(level: float, _: float) -> float:
    return level * 30


def _shear(level: float, _: float) -> float:
    return level * 0.3


def _pixels(level: float, translate_const: float) -> float:
    return level * translate_const


OPERATIONS = {
    "AutoContrast": Operation(_by_pillow(ImageOps.autocontrast)),
    "Equalize": Operation(_by_pillow(ImageOps.equalize)),
    "Invert": Operation(_by_pillow(ImageOps.invert)),
    "Rotate": Operation(_rotate, _angle, is_signed=True),
    "Posterize": Operation(_by_pillow(ImageOps.posterize), _bits),
    "Solarize": Operation(_by_pillow(ImageOps.solarize), lambda level, _: int(level * 256)),
    "SolarizeAdd": Operation(_solarize_add, lambda level, _: int(level * 110)),
    "Color": Operation(_enhance(ImageEnhance.Color), _factor),
    "Contrast": Operation(_enhance(ImageEnhance.Contrast), _factor),
    "Brightness": Operation(_enhance(ImageEnhance.Brightness), _factor),
    "Sharpness": Operation(_enhance(ImageEnhance.Sharpness), _factor),
    "ShearX": Operation(_shear_x, _shear, is_signed=True),
    "ShearY": Operation(_shear_y, _shear, is_signed=True),
    "TranslateX": Operation(_translate_x, _pixels, is_signed=True),
    "TranslateY": Operation(_translate_y, _pixels, is_signed=True),
}
