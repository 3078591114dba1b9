"""From a decoded image to a detector's input, as mmdet's preprocessor gives it."""

from mmdet.datasets.transforms import PackDetInputs
from mmdet.models import DetDataPreprocessor
from mmdet.structures import DetDataSample
from torch import Tensor
from torch.nn import functional

from mnv4_vision.core.engine.network_input import ImageInput

__all__ = ["NetworkInput"]


class NetworkInput(ImageInput):
    """`ImageInput` with mmdet's packing, padded at the right and bottom to `pad_size_divisor`."""

    pack = PackDetInputs
    usual_preprocessor = DetDataPreprocessor

    def pad(
        self, inputs: Tensor, sample: DetDataSample, preprocessor: DetDataPreprocessor
    ) -> Tensor:
        """Pad `(1, 3, H, W)` and note the sizes in the sample."""
        bottom, right = (-side % preprocessor.pad_size_divisor for side in inputs.shape[2:])
        if bottom or right:
            inputs = functional.pad(inputs, (0, right, 0, bottom), value=preprocessor.pad_value)
        size = tuple(inputs.shape[2:])
        sample.set_metainfo({"batch_input_shape": size, "pad_shape": size})
        return inputs
