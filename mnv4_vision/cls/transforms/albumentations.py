"""albumentations in a classification pipeline."""

from mmengine.registry import TRANSFORMS

from mnv4_vision.datasets.albumentations import AlbumentationsBase

__all__ = ["Albumentations"]


@TRANSFORMS.register_module()
class Albumentations(AlbumentationsBase):
    """albumentations transforms, pixel-wise and geometric, on an image.

    The transforms see RGB, and every draw comes from numpy's global generator.

    Args:
        transforms: albumentations transforms as `dict(type='Rotate', limit=10, p=0.5)`.
    """

    def transform(self, results: dict) -> dict:
        """Transform `results['img']`, `(H, W, 3)` uint8 BGR."""
        self.apply(results)
        return results
