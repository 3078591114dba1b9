"""From a decoded image to the network's input: a config's test pipeline and its normalisation."""

import copy
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.datasets.transforms import PackDetInputs
from mmdet.models import DetDataPreprocessor
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn import functional

from mnv4_vision.core.engine.task import step_name

__all__ = ["NetworkInput"]


class NetworkInput:
    """Prepare one image at a time.

    The values are those of `DetDataPreprocessor` to the last bit, read from a table of the 256
    pixel values; other preprocessors are called as they are.

    Args:
        cfg: Resolved config; its test pipeline ends with `PackDetInputs`.
        preprocessor: The model's, on the model's device.
    """

    def __init__(self, cfg: Config, preprocessor: BaseDataPreprocessor) -> None:
        *steps, pack = _array_pipeline(cfg)
        self._transforms = Compose(steps)
        self._pack = PackDetInputs(**{k: v for k, v in pack.items() if k != "type"})
        self._preprocessor = preprocessor
        known = type(preprocessor) is DetDataPreprocessor
        self._table = _value_table(preprocessor) if known else None

    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        """Return `inputs` `(1, 3, H, W)` and `data_samples` of an `(H, W, 3)` uint8 BGR image."""
        results = self._transforms({"img": image, "img_id": 0})
        if self._table is None or results["img"].dtype != np.uint8:
            packed = self._pack(results)
            return self._preprocessor({key: [value] for key, value in packed.items()})
        inputs = self._normalise(results.pop("img"))
        sample = self._pack(results)["data_samples"]
        size = tuple(inputs.shape[2:])
        sample.set_metainfo({"batch_input_shape": size, "pad_shape": size})
        return {"inputs": inputs, "data_samples": [sample]}

    def _normalise(self, image: np.ndarray) -> Tensor:
        """Order channels, look up values and pad, in channels-last layout."""
        settings = self._preprocessor
        if settings._channel_conversion:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        values = torch.from_numpy(cv2.LUT(image, self._table)).permute(2, 0, 1)[None]
        bottom, right = (-side % settings.pad_size_divisor for side in values.shape[2:])
        if bottom or right:
            values = functional.pad(values, (0, right, 0, bottom), value=settings.pad_value)
        return values.to(settings.device)


def _value_table(preprocessor: DetDataPreprocessor) -> np.ndarray:
    """Return what the preprocessor makes of the values 0..255 in each channel, (1, 256, 3)."""
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, -1, -1)
    values = preprocessor({"inputs": [pixels], "data_samples": None})["inputs"]
    table = values[0, :, :16, :16].reshape(3, 1, 256).permute(1, 2, 0)
    return np.ascontiguousarray(table.cpu().numpy())


def _array_pipeline(cfg: Config) -> list[dict[str, Any]]:
    """Return the test pipeline for decoded images: another loader, no annotations."""
    steps = copy.deepcopy(list(get_test_pipeline_cfg(cfg)))
    kept = [step for step in steps if not step_name(step).startswith("Load")]
    return [{"type": "mmdet.LoadImageFromNDArray"}, *kept]
