"""albumentations in a segmentation pipeline: the label map follows the image."""

import inspect

import albumentations
from mmseg.registry import TRANSFORMS

from mnv4_vision.datasets.albumentations import AlbumentationsBase
from mnv4_vision.datasets.masks import IGNORED

__all__ = ["Albumentations"]


@TRANSFORMS.register_module()
class Albumentations(AlbumentationsBase):
    """albumentations transforms, pixel-wise and geometric; the label map moves with the image.

    Against mmseg's `Albu`: the transforms see RGB; beyond the photo's border, where a rotation
    looks, is no class (255) instead of class 0, unless the transform's `fill_mask` says otherwise;
    and every draw comes from numpy's global generator. Holes keep their labels.

    Args:
        transforms: albumentations transforms as `dict(type='Rotate', limit=10, p=0.5)`.
    """

    def arguments_of(self, cfg: dict) -> dict:
        """Return `type` and arguments, with 255 where the transform would fill masks with 0."""
        kind = cfg["type"]
        kind = getattr(albumentations, kind, None) if isinstance(kind, str) else kind
        parameters = inspect.signature(kind).parameters if inspect.isclass(kind) else {}
        if "fill_mask" in parameters and parameters["fill_mask"].default == 0:
            return dict(fill_mask=IGNORED) | cfg
        return super().arguments_of(cfg)

    def transform(self, results: dict) -> dict:
        """Transform `results['img']`, `(H, W, 3)` uint8 BGR, and `gt_seg_map`, `(H, W)` uint8."""
        labels = results.get("gt_seg_map")
        moves = self.is_geometric and labels is not None
        out = self.apply(results, **({"mask": labels} if moves else {}))
        if moves:
            results["gt_seg_map"] = out["mask"]
        return results
