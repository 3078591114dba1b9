"""albumentations in a detection pipeline: boxes follow the image, randomness follows numpy."""

import random
from collections.abc import Iterator

import albumentations
import cv2
import numpy as np
from albucore import add_constant, sz_lut
from mmdet.datasets.transforms import Albu
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["Albumentations", "FastHueSaturationValue"]

ON_EMPTY = ("keep", "retry")
# What has an entry per box besides the boxes themselves.
PER_BOX = ("gt_bboxes_labels", "gt_ignore_flags", "gt_instances_ids")


@TRANSFORMS.register_module()
class Albumentations(Albu):
    """albumentations transforms, pixel-wise and geometric; boxes, labels and flags stay in step.

    Against mmdet's `Albu`: the transforms see RGB; a box that leaves the image takes its label
    and ignore flag along, whatever is configured; images without boxes pass; and every draw
    comes from numpy's global generator, which a worker's seed and a resumed run's state reach.

    Args:
        transforms: albumentations transforms as `dict(type='Affine', scale=(0.8, 1.2), p=0.5)`.
        min_visibility: A box goes where less of its area than this share is left in the image,
            after any one of the transforms.
        min_area: A box goes below this area, in pixels squared.
        on_empty: For images whose boxes are all gone: `keep` them as background, or `retry` with
            another image of the data set. Images that had no boxes are always kept.
    """

    def __init__(
        self,
        transforms: list[dict],
        min_visibility: float = 0.1,
        min_area: float = 1.0,
        on_empty: str = "keep",
    ) -> None:
        if on_empty not in ON_EMPTY:
            raise InputError(
                f"Albumentations: on_empty is {on_empty!r}, allowed are {', '.join(ON_EMPTY)}"
            )
        self.on_empty = on_empty
        self.random = _NumpyRandom()
        super().__init__(transforms)
        self.moves_boxes = any(
            isinstance(step, albumentations.DualTransform) for step in _steps(self.aug)
        )
        if self.moves_boxes:
            boxes = albumentations.BboxParams(
                "pascal_voc",
                label_fields=["index"],
                min_visibility=min_visibility,
                min_area=min_area,
                clip=True,
                filter_invalid_bboxes=True,
            )
            self.aug = albumentations.Compose(self.aug.transforms, boxes, strict=False)

    def albu_builder(self, cfg: dict) -> object:
        """Build an albumentations object; an `InputError` says what it does not take."""
        name = cfg["type"]
        if name == "HueSaturationValue":
            cfg = {**cfg, "type": FastHueSaturationValue}
        elif isinstance(name, str) and not hasattr(albumentations, name):
            hint = did_you_mean(name, vars(albumentations))
            raise InputError(f"Albumentations: albumentations has no transform {name!r}{hint}")
        try:
            return super().albu_builder(cfg)
        except InputError:
            raise
        except (TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
            raise InputError(f"Albumentations: {name}: {' '.join(str(error).split())}") from error

    def transform(self, results: dict) -> dict | None:
        """Transform `results['img']`, `(H, W, 3)` uint8 BGR, and its boxes; None asks for another.

        Raises:
            InputError: Geometric transforms on data with masks or segmentation maps.
        """
        self._draw_from_numpy()
        data = {"image": cv2.cvtColor(results["img"], cv2.COLOR_BGR2RGB)}
        boxes = results.get("gt_bboxes")
        if self.moves_boxes:
            data |= _box_inputs(results, boxes)
        out = self.aug(**data)
        results["img"] = cv2.cvtColor(out["image"], cv2.COLOR_RGB2BGR)
        results["img_shape"] = results["img"].shape[:2]
        if self.moves_boxes and boxes is not None:
            kept = np.asarray(out["index"], dtype=np.int64)
            _take(results, boxes, np.asarray(out["bboxes"], np.float32).reshape(-1, 4), kept)
            if len(boxes) and not len(kept) and self.on_empty == "retry":
                return None
        return results

    def _draw_from_numpy(self) -> None:
        """Let all transforms draw from numpy's global generator, of whatever process this is."""
        self.random.gauss_next = None  # a number that Python's generator keeps for the next call
        bits = np.random.get_bit_generator()
        if getattr(self.aug.random_generator, "bit_generator", None) is not bits:
            # One stream for all: seeded one by one they would all draw the same numbers.
            self.aug.set_random_state(np.random.Generator(bits), self.random)


def _box_inputs(results: dict, boxes: HorizontalBoxes | np.ndarray | None) -> dict:
    """What albumentations takes besides the image: boxes `(N, 4)` and where each one stood."""
    present = [key for key in ("gt_masks", "gt_seg_map") if results.get(key) is not None]
    if present:
        raise InputError(f"Albumentations: geometric transforms move boxes, but not {present[0]}")
    if boxes is None:
        boxes = np.zeros((0, 4))
    array = boxes.numpy() if isinstance(boxes, HorizontalBoxes) else boxes
    return {"bboxes": array.astype(np.float64), "index": np.arange(len(array))}


def _take(results: dict, boxes: HorizontalBoxes | np.ndarray, new: np.ndarray, kept) -> None:
    """Write the moved boxes `(M, 4)` and take the entries `kept` `(M,)` of all that is per box."""
    results["gt_bboxes"] = HorizontalBoxes(new) if isinstance(boxes, HorizontalBoxes) else new
    for key in PER_BOX:
        if results.get(key) is not None:
            results[key] = results[key][kept]


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
