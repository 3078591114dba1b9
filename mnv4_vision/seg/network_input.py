"""From a decoded image to a segmentor's input, as mmseg's preprocessor gives it."""

from mmseg.datasets.transforms import PackSegInputs
from mmseg.models import SegDataPreProcessor
from mmseg.structures import SegDataSample
from mmseg.utils import stack_batch
from torch import Tensor

from mnv4_vision.core.engine.network_input import ImageInput

__all__ = ["NetworkInput"]


class NetworkInput(ImageInput):
    """`ImageInput` with mmseg's packing, padded as the preprocessor's `test_cfg` says."""

    pack = PackSegInputs
    usual_preprocessor = SegDataPreProcessor

    def pad(
        self, inputs: Tensor, sample: SegDataSample, preprocessor: SegDataPreProcessor
    ) -> Tensor:
        """Pad `(1, 3, H, W)` where that is asked for, and note it in the sample."""
        if not preprocessor.test_cfg:
            return inputs
        sizes = {key: preprocessor.test_cfg.get(key) for key in ("size", "size_divisor")}
        inputs, (padding,) = stack_batch([inputs[0]], **sizes, pad_val=preprocessor.pad_val)
        sample.set_metainfo(padding)
        return inputs
