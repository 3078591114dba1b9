"""albumentations in a detection pipeline: boxes follow the image, randomness follows numpy."""

import albumentations
import numpy as np
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.albumentations import AlbumentationsBase

__all__ = ["Albumentations"]

ON_EMPTY = ("keep", "retry")
# What has an entry per box besides the boxes themselves.
PER_BOX = ("gt_bboxes_labels", "gt_ignore_flags", "gt_instances_ids")


@TRANSFORMS.register_module()
class Albumentations(AlbumentationsBase):
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
        super().__init__(transforms)
        if self.is_geometric:
            boxes = albumentations.BboxParams(
                "pascal_voc",
                label_fields=["index"],
                min_visibility=min_visibility,
                min_area=min_area,
                clip=True,
                filter_invalid_bboxes=True,
            )
            self.aug = albumentations.Compose(self.aug.transforms, boxes, strict=False)

    def transform(self, results: dict) -> dict | None:
        """Transform `results['img']`, `(H, W, 3)` uint8 BGR, and its boxes; None asks for another.

        Raises:
            InputError: Geometric transforms on data with masks or segmentation maps.
        """
        boxes = results.get("gt_bboxes")
        out = self.apply(results, **(_box_inputs(results, boxes) if self.is_geometric else {}))
        if self.is_geometric and boxes is not None:
            kept = np.asarray(out["index"], dtype=np.int64)
            _take(results, boxes, np.asarray(out["bboxes"], np.float32).reshape(-1, 4), kept)
            if len(boxes) and not len(kept) and self.on_empty == "retry":
                return None
        return results


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
