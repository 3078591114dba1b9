"""Masks of any encoding become labels, in one table look-up."""

from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks import read_mask

__all__ = ["LoadMask"]


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Load the mask of a `MaskDataset` sample as labels.

    Reads `seg_map_path` and `mask_encoding`. Where the photo is loaded already, at its own size,
    the mask must have that size.
    """

    def transform(self, results: dict) -> dict:
        """Add `gt_seg_map`, `(H, W)` uint8 labels, 255 without class.

        Raises:
            MissingFileError: There is no such file.
            InputError: Damaged, of another size than the photo, or with a value that is no class.
        """
        path, encoding = results["seg_map_path"], results["mask_encoding"]
        mask = read_mask(path, in_colour=encoding.in_colour)
        if mask.shape[:2] != results.get("ori_shape", mask.shape[:2]):
            raise InputError(_say_sizes(results, mask.shape[:2]))
        try:
            results["gt_seg_map"] = encoding.labels(mask)
        except InputError as error:
            raise InputError(f"mask {path} {error}") from None
        results.setdefault("seg_fields", []).append("gt_seg_map")
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _say_sizes(results: dict, mask: tuple[int, int]) -> str:
    image = results["ori_shape"]
    turned = ", turned by its EXIF tag or the mask by a tool" if mask == image[::-1] else ""
    return (
        f"mask {results['seg_map_path']} is {mask[1]}x{mask[0]}, but its photo "
        f"{results['img_path']} is {image[1]}x{image[0]} (width x height{turned})"
    )
