"""Pipeline steps for photos with one label."""

from mnv4_vision.cls.transforms.albumentations import Albumentations
from mnv4_vision.cls.transforms.geometry import EvalCrop, InceptionCrop
from mnv4_vision.cls.transforms.packing import PackImage
from mnv4_vision.cls.transforms.rand_augment import RandAugment

__all__ = ["Albumentations", "EvalCrop", "InceptionCrop", "PackImage", "RandAugment"]
