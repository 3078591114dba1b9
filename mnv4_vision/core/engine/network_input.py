"""From a decoded image to the network's input: a config's test pipeline and its normalisation."""

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor
from mmengine.structures import BaseDataElement
from torch import Tensor

from mnv4_vision.core.engine.task import datasets_of, step_name

__all__ = ["ImageInput"]


class ImageInput(ABC):
    """Prepares one image at a time; a task says how it packs and pads.

    The values are those of the task's usual preprocessor to the last bit, read from a table of the
    256 pixel values; other preprocessors are called as they are.

    Args:
        cfg: Resolved config; its test pipeline ends with the step that packs.
        preprocessor: The model's, on the model's device.
    """

    pack: ClassVar[type[BaseTransform]]
    usual_preprocessor: ClassVar[type[ImgDataPreprocessor]]

    def __init__(self, cfg: Config, preprocessor: ImgDataPreprocessor) -> None:
        (dataset,) = datasets_of(cfg, ("test",))
        *steps, pack = copy.deepcopy(list(dataset.pipeline))
        # The image is decoded already, and there is no annotation.
        self._transforms = Compose([s for s in steps if not step_name(s).startswith("Load")])
        self._pack = self.pack(**{key: value for key, value in pack.items() if key != "type"})
        self._preprocessor = preprocessor
        known = type(preprocessor) is self.usual_preprocessor
        self._table = _value_table(preprocessor) if known else None

    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        """Return `inputs` `(1, 3, H, W)` and `data_samples` of an `(H, W, 3)` uint8 BGR image."""
        size = image.shape[:2]
        results = {"img": image, "img_path": None, "img_id": 0, "img_shape": size}
        results = self._transforms(results | {"ori_shape": size})
        if self._table is None or results["img"].dtype != np.uint8:
            packed = self._pack(results)
            return self._preprocessor({key: [value] for key, value in packed.items()})
        inputs = self._normalise(results.pop("img"))
        sample = self._pack(results)["data_samples"]
        inputs = self.pad(inputs, sample, self._preprocessor)
        return {"inputs": inputs.to(self._preprocessor.device), "data_samples": [sample]}

    @abstractmethod
    def pad(
        self, inputs: Tensor, sample: BaseDataElement, preprocessor: ImgDataPreprocessor
    ) -> Tensor:
        """Pad as the preprocessor does and write into the sample what it writes there.

        Args:
            inputs: `(1, 3, H, W)`, normalised.
            sample: The image's; changed in place.
            preprocessor: Its settings.
        """

    def _normalise(self, image: np.ndarray) -> Tensor:
        """Order channels and look up values, in channels-last layout."""
        if self._preprocessor._channel_conversion:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return torch.from_numpy(cv2.LUT(image, self._table)).permute(2, 0, 1)[None]


def _value_table(preprocessor: ImgDataPreprocessor) -> np.ndarray:
    """Return what the preprocessor makes of the values 0..255 in each channel, (1, 256, 3)."""
    values = torch.arange(256, dtype=torch.float32, device=preprocessor.device).expand(3, 1, 256)
    if preprocessor._enable_normalize:
        values = (values - preprocessor.mean) / preprocessor.std
    return np.ascontiguousarray(values.permute(1, 2, 0).cpu().numpy())
