"""Steps of detection pipelines: albumentations with boxes, fast resize-crop-flip, mosaic."""

from mnv4_vision.det.transforms.albumentations import Albumentations
from mnv4_vision.det.transforms.mosaic import CloseMosaicHook
from mnv4_vision.det.transforms.pipeline_steps import PackBoxes, ResizeCropFlip

__all__ = ["Albumentations", "CloseMosaicHook", "PackBoxes", "ResizeCropFlip"]
