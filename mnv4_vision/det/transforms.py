"""albumentations in a detection pipeline."""

import numpy as np
from mmdet.datasets.transforms import Albu
from mmdet.registry import TRANSFORMS

__all__ = ["Albumentations"]


@TRANSFORMS.register_module()
class Albumentations(Albu):
    """mmdet's `Albu` for transforms that leave the boxes where they are, with numpy's randomness.

    albumentations 2 draws from a generator of its own, so that neither a worker's seed nor a
    resumed run's state would reach it; here each call seeds it from numpy's global generator.

    Args:
        transforms: albumentations transforms as `dict(type='Blur', p=0.1)`, on RGB images.
    """

    def __init__(self, transforms: list[dict]) -> None:
        super().__init__(transforms, keymap={"img": "image"})

    def transform(self, results: dict) -> dict:
        """Transform `results['img']`, `(H, W, 3)` uint8 BGR, and nothing else."""
        self.aug.set_random_seed(int(np.random.randint(2**31)))
        rgb = np.ascontiguousarray(results["img"][..., ::-1])
        results["img"] = np.ascontiguousarray(self.aug(image=rgb)["image"][..., ::-1])
        return results
