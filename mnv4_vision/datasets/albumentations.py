"""albumentations in a pipeline, whatever the labels: RGB, numpy's random numbers, clear errors."""

import inspect
import random
from collections.abc import Iterator
from copy import deepcopy

import albumentations
import cv2
import numpy as np
from albucore import add_constant, sz_lut
from mmcv.transforms import BaseTransform

from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["AlbumentationsBase", "FastHueSaturationValue"]


class AlbumentationsBase(BaseTransform):
    """albumentations transforms on BGR images; a task's subclass adds what moves with the image.

    The transforms see RGB, and every draw comes from numpy's global generator, which a worker's
    seed and a resumed run's state reach.

    Args:
        transforms: albumentations transforms as `dict(type='Affine', scale=(0.8, 1.2), p=0.5)`.

    Attributes:
        is_geometric: Whether one of them moves pixels, and labels with them.
    """

    def __init__(self, transforms: list[dict]) -> None:
        self.transforms = deepcopy(transforms)
        self.random = _NumpyRandom()
        steps = [self.albu_builder(step) for step in self.transforms]
        self.aug = albumentations.Compose(steps, strict=False)
        self.is_geometric = any(
            isinstance(step, albumentations.DualTransform) for step in _steps(self.aug)
        )

    def albu_builder(self, cfg: dict) -> object:
        """Build an albumentations object; an `InputError` says what it does not take."""
        args = self.arguments_of(cfg)
        name = args.pop("type")
        kind = FastHueSaturationValue if name == "HueSaturationValue" else name
        if isinstance(kind, str):
            kind = getattr(albumentations, name, None)
        if not inspect.isclass(kind):
            hint = did_you_mean(str(name), vars(albumentations))
            raise InputError(f"Albumentations: albumentations has no transform {name!r}{hint}")
        if "transforms" in args:
            args["transforms"] = [self.albu_builder(step) for step in args["transforms"]]
        try:
            return kind(**args)
        except (TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
            raise InputError(f"Albumentations: {name}: {' '.join(str(error).split())}") from error

    def arguments_of(self, cfg: dict) -> dict:
        """Return `type` and the arguments of the transform that `cfg` describes."""
        return dict(cfg)

    def apply(self, results: dict, **labels: object) -> dict:
        """Transform `results['img']`, `(H, W, 3)` uint8 BGR; return what became of `labels`."""
        self._draw_from_numpy()
        image = cv2.cvtColor(results["img"], cv2.COLOR_BGR2RGB)
        out = self.aug(image=image, **labels)
        results["img"] = cv2.cvtColor(out["image"], cv2.COLOR_RGB2BGR)
        results["img_shape"] = results["img"].shape[:2]
        return out

    def _draw_from_numpy(self) -> None:
        """Let all transforms draw from numpy's global generator, of whatever process this is."""
        self.random.gauss_next = None  # a number that Python's generator keeps for the next call
        bits = np.random.get_bit_generator()
        if getattr(self.aug.random_generator, "bit_generator", None) is not bits:
            # One stream for all: seeded one by one they would all draw the same numbers.
            self.aug.set_random_state(np.random.Generator(bits), self.random)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(transforms={self.transforms})"


def _steps(transform: object) -> Iterator[object]:
    """Yield a transform and all that it is composed of."""
    yield transform
    for step in getattr(transform, "transforms", ()):
        yield from _steps(step)


class _NumpyRandom(random.Random):
    """Python's `Random` over numpy's global generator."""

    def random(self) -> float:
        return np.random.random_sample()


class FastHueSaturationValue(albumentations.HueSaturationValue):
    """albumentations' own to the bit, by look-up tables: several times faster (2.0.8)."""

    def apply(
        self, img: np.ndarray, hue_shift: float, sat_shift: float, val_shift: float, **params
    ) -> np.ndarray:
        """Shift hue, saturation and value of an RGB image `(H, W, 3)`."""
        if img.dtype != np.uint8 or img.shape[2:] != (3,):
            return super().apply(img, hue_shift, sat_shift, val_shift, **params)
        if hue_shift == sat_shift == val_shift == 0:
            return img
        identity = np.arange(256, dtype=np.uint8)
        hue = np.mod(identity.astype(np.int16) + hue_shift, 180).astype(np.uint8)
        saturation = _shifted(identity, sat_shift)
        saturation[0] = 0  # grey stays grey
        tables = (hue if hue_shift else identity, saturation, _shifted(identity, val_shift))
        planes = cv2.split(cv2.cvtColor(img, cv2.COLOR_RGB2HSV))
        hsv = cv2.merge([sz_lut(*pair) for pair in zip(planes, tables, strict=True)])
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _shifted(values: np.ndarray, shift: float) -> np.ndarray:
    return add_constant(values.reshape(16, 16), shift).reshape(256) if shift else values.copy()
