"""Random crops to train on, and the crop that published weights are evaluated with."""

import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from PIL import Image

from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.datasets.sizes import checked_size

__all__ = ["USUAL_CROP", "EvalCrop", "InceptionCrop"]

USUAL_CROP = {"crop_pct": 0.875, "interpolation": "bicubic"}  # timm's, where weights do not say

CROP_TRIES = 10
INTERPOLATION = (cv2.INTER_LINEAR, cv2.INTER_AREA)  # by whether it shrinks by more than two
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@TRANSFORMS.register_module()
class InceptionCrop(BaseTransform):
    """A random part of the photo of random area and aspect ratio, resized, mirrored half the time.

    Szegedy et al., "Going deeper with convolutions", section 6; the draws are those of
    torchvision's `RandomResizedCrop`.

    Args:
        scale: Size `(width, height)` of the result, in pixels.
        area_range: Range of the share of the photo.
        ratio_range: Range of width / height, drawn on a logarithmic scale.
        flip_prob: Probability of mirroring left and right.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        area_range: tuple[float, float] = (0.08, 1.0),
        ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
        flip_prob: float = 0.5,
    ) -> None:
        if not 0 < area_range[0] <= area_range[1] <= 1:
            raise InputError(f"InceptionCrop: area_range={area_range}, not 0 < low <= high <= 1")
        if not 0 < ratio_range[0] <= ratio_range[1]:
            raise InputError(f"InceptionCrop: ratio_range={ratio_range}, not 0 < low <= high")
        if not 0 <= flip_prob <= 1:
            raise InputError(f"InceptionCrop: flip_prob={flip_prob}, allowed are 0 to 1")
        self.scale = checked_size("InceptionCrop", "scale", scale)
        self.area_range, self.ratio_range = tuple(area_range), tuple(ratio_range)
        self.flip_prob = flip_prob

    def transform(self, results: dict) -> dict:
        """Crop and resize `results["img"]`, `(H, W, 3)`."""
        image = results["img"]
        left, top, width, height = self._draw(image.shape[1], image.shape[0])
        part = image[top : top + height, left : left + width]
        # Shrinking by more than two would skip pixels.
        shrinks = min(width / self.scale[0], height / self.scale[1]) > 2
        image = cv2.resize(part, self.scale, interpolation=INTERPOLATION[shrinks])
        if np.random.random_sample() < self.flip_prob:
            image = cv2.flip(image, 1)
        results["img"], results["img_shape"] = image, image.shape[:2]
        return results

    def _draw(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, width and height of the part; where ten draws miss, a central one."""
        low, high = (math.log(ratio) for ratio in self.ratio_range)
        for _ in range(CROP_TRIES):
            area = width * height * np.random.uniform(*self.area_range)
            ratio = math.exp(np.random.uniform(low, high))
            wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < wide <= width and 0 < tall <= height:
                left = np.random.randint(0, width - wide + 1)
                return left, np.random.randint(0, height - tall + 1), wide, tall
        ratio = min(max(width / height, self.ratio_range[0]), self.ratio_range[1])
        wide = min(width, max(1, round(height * ratio)))
        tall = min(height, max(1, round(width / ratio)))
        return (width - wide) // 2, (height - tall) // 2, wide, tall

    def __repr__(self) -> str:
        return f"InceptionCrop({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


@TRANSFORMS.register_module()
class EvalCrop(BaseTransform):
    """Resize the shorter side and take the centre, by Pillow, pixel for pixel as timm evaluates.

    Args:
        scale: Size `(width, height)` of the result, in pixels.
        crop_pct: Share of the resized photo's shorter side that is left. None, in a config, is
            the pretrained weights' own, or 0.875.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`. None, in a config, is the
            pretrained weights' own, or `bicubic`.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        crop_pct: float | None = None,
        interpolation: str | None = None,
    ) -> None:
        crop_pct = USUAL_CROP["crop_pct"] if crop_pct is None else crop_pct
        interpolation = USUAL_CROP["interpolation"] if interpolation is None else interpolation
        if not 0 < crop_pct <= 1:
            raise InputError(f"EvalCrop: crop_pct={crop_pct}, allowed are above 0 up to 1")
        if interpolation not in FILTERS:
            raise InputError(
                f"EvalCrop: interpolation={interpolation!r}, allowed are {', '.join(FILTERS)}"
                f"{did_you_mean(str(interpolation), FILTERS)}"
            )
        self.scale = checked_size("EvalCrop", "scale", scale)
        self.crop_pct, self.interpolation = crop_pct, interpolation

    def transform(self, results: dict) -> dict:
        """Crop and resize `results["img"]`, `(H, W, 3)` uint8."""
        image = Image.fromarray(results["img"])  # channels are resized one by one, BGR too
        resized = image.resize(self._resized(image.size), FILTERS[self.interpolation])
        left, top = (
            round((side - kept) / 2) for side, kept in zip(resized.size, self.scale, strict=True)
        )
        centre = resized.crop((left, top, left + self.scale[0], top + self.scale[1]))
        results["img"], results["img_shape"] = np.asarray(centre), self.scale[::-1]
        return results

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size to which a photo of `size`, `(width, height)`, is resized."""
        wanted = [math.floor(side / self.crop_pct) for side in self.scale]
        if wanted[0] == wanted[1]:  # torchvision's Resize
            short, long = min(size), max(size)
            longer = int(wanted[0] * long / short)
            return (wanted[0], longer) if size[0] <= size[1] else (longer, wanted[0])
        ratio = min(side / want for want, side in zip(wanted, size, strict=True))
        return tuple(round(side / ratio) for side in size)  # timm's ResizeKeepRatio

    def __repr__(self) -> str:
        return f"EvalCrop({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"
