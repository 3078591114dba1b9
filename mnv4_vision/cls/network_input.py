"""From a decoded image to a classifier's input, as mmengine's preprocessor gives it."""

from mmengine.model import ImgDataPreprocessor, stack_batch
from torch import Tensor

from mnv4_vision.cls.transforms import PackImage
from mnv4_vision.core.classification import ClassSample, ImagePreprocessor
from mnv4_vision.core.engine.network_input import ImageInput

__all__ = ["NetworkInput"]


class NetworkInput(ImageInput):
    """`ImageInput` with classification's packing, padded as the preprocessor says."""

    pack = PackImage
    usual_preprocessor = ImagePreprocessor

    def pad(self, inputs: Tensor, sample: ClassSample, preprocessor: ImgDataPreprocessor) -> Tensor:
        """Pad `(1, 3, H, W)` at the right and the bottom to multiples of `pad_size_divisor`."""
        if preprocessor.pad_size_divisor == 1:
            return inputs
        return stack_batch([inputs[0]], preprocessor.pad_size_divisor, preprocessor.pad_value)
