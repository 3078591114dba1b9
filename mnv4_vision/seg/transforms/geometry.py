"""Resizing, cropping and mirroring of a photo together with its label map."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.sizes import checked_size

__all__ = ["CoverResize", "RandomScaleCropFlip"]

IGNORED = 255
GREY = (114, 114, 114)  # beyond the photo's border, as in detection
CROP_TRIES = 10
LONGEST = 4
INTERPOLATION = (cv2.INTER_LINEAR, cv2.INTER_AREA)  # by whether it shrinks by more than two


@TRANSFORMS.register_module()
class CoverResize(BaseTransform):
    """Resize to the smallest size of the same aspect ratio that covers `scale`.

    For a square this is mmseg's test pipeline: the shorter side becomes that long, unless the
    longer one would be more than four times that; then it is four times that, so that memory is
    bounded. The label map keeps its size, as labels are evaluated at the photo's own.

    Args:
        scale: `(width, height)` in pixels.
    """

    def __init__(self, scale: tuple[int, int]) -> None:
        self.scale = checked_size("CoverResize", "scale", scale)

    def transform(self, results: dict) -> dict:
        """Resize `results["img"]`, `(H, W, 3)`."""
        height, width = results["img"].shape[:2]
        longest = LONGEST * max(self.scale) / max(width, height)
        ratio = min(cover_ratio((width, height), self.scale), longest)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        image = results["img"] if ratio == 1 else cv2.resize(results["img"], size)
        results.update(
            img=image,
            img_shape=image.shape[:2],
            scale=self.scale,
            scale_factor=(size[0] / width, size[1] / height),
            keep_ratio=True,
        )
        return results

    def __repr__(self) -> str:
        return f"CoverResize(scale={self.scale})"


@TRANSFORMS.register_module()
class RandomScaleCropFlip(BaseTransform):
    """Random scale, random crop, random mirroring, and padding to exactly the crop's size.

    The recipe of DeepLab and mmseg (`RandomResize`, `RandomCrop`, `RandomFlip`, padding) in one
    step: the crop is cut out before it is resized, so nothing is computed that is thrown away.
    Padding has grey pixels and the label 255, which no loss counts.

    Args:
        scale: Size `(width, height)`, in pixels, that the photo just covers at a ratio of 1.
        ratio_range: Range of the factor to that size.
        crop_size: Size `(width, height)` of the result, by default `scale`.
        cat_max_ratio: Draw another crop, up to ten times, while one class has more than this share
            of its labelled pixels.
        flip_prob: Probability of mirroring left and right.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        ratio_range: tuple[float, float] = (0.5, 2.0),
        crop_size: tuple[int, int] | None = None,
        cat_max_ratio: float = 0.75,
        flip_prob: float = 0.5,
    ) -> None:
        low, high = ratio_range
        if not 0 < low <= high:
            raise InputError(f"RandomScaleCropFlip: ratio_range={ratio_range}, not 0 < low <= high")
        for name, value in (("cat_max_ratio", cat_max_ratio), ("flip_prob", flip_prob)):
            if not 0 <= value <= 1:
                raise InputError(f"RandomScaleCropFlip: {name}={value}, allowed are 0 to 1")
        self.scale = checked_size("RandomScaleCropFlip", "scale", scale)
        self.ratio_range = (low, high)
        self.crop_size = checked_size("RandomScaleCropFlip", "crop_size", crop_size or scale)
        self.cat_max_ratio = cat_max_ratio
        self.flip_prob = flip_prob

    def transform(self, results: dict) -> dict:
        """Transform `results["img"]`, `(H, W, 3)`, and `results["gt_seg_map"]`, `(H, W)`."""
        image, labels = results["img"], results["gt_seg_map"]
        height, width = image.shape[:2]
        ratio = cover_ratio((width, height), self.scale) * np.random.uniform(*self.ratio_range)
        # The part of the photo that fills the result, at most all of it.
        part = tuple(
            min(side, max(1, round(wanted / ratio)))
            for side, wanted in zip((width, height), self.crop_size, strict=True)
        )
        size = tuple(
            min(wanted, max(1, round(side * ratio)))
            for side, wanted in zip(part, self.crop_size, strict=True)
        )
        left, top = self._corner(labels, part)
        window = np.s_[top : top + part[1], left : left + part[0]]
        # Shrinking by more than two would skip pixels; masks never mix labels.
        shrinks = size[0] < part[0] / 2
        image = cv2.resize(image[window], size, interpolation=INTERPOLATION[shrinks])
        labels = cv2.resize(labels[window], size, interpolation=cv2.INTER_NEAREST_EXACT)
        flip = np.random.random_sample() < self.flip_prob
        if flip:
            image, labels = cv2.flip(image, 1), cv2.flip(labels, 1)
        results.update(
            img=pad(image, self.crop_size, GREY),
            gt_seg_map=pad(labels, self.crop_size, IGNORED),
            img_shape=self.crop_size[::-1],
            scale=self.scale,
            scale_factor=(ratio, ratio),
            flip=flip,
            flip_direction="horizontal" if flip else None,
        )
        return results

    def _corner(self, labels: np.ndarray, part: tuple[int, int]) -> tuple[int, int]:
        """Return left and top of a crop that is not nearly all of one class, if there is one."""
        height, width = labels.shape
        for _ in range(CROP_TRIES):
            left = np.random.randint(0, width - part[0] + 1)
            top = np.random.randint(0, height - part[1] + 1)
            if self.cat_max_ratio >= 1:
                break
            crop = labels[top : top + part[1] : 4, left : left + part[0] : 4]  # a sixteenth will do
            counts = np.bincount(crop.ravel(), minlength=256)[:IGNORED]
            if np.count_nonzero(counts) > 1 and counts.max() < counts.sum() * self.cat_max_ratio:
                break
        return left, top

    def __repr__(self) -> str:
        return f"RandomScaleCropFlip({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


def cover_ratio(size: tuple[int, int], scale: tuple[int, int]) -> float:
    """Return the smallest factor by which `size` covers `scale`, both `(width, height)`."""
    return max(wanted / side for side, wanted in zip(size, scale, strict=True))


def pad(image: np.ndarray, size: tuple[int, int], value: int | tuple[int, ...]) -> np.ndarray:
    """Pad `(h, w)` or `(h, w, 3)` at the right and bottom to `size`, `(width, height)`."""
    right, bottom = size[0] - image.shape[1], size[1] - image.shape[0]
    if not right and not bottom:
        return image
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=value)
