"""Classification on the common tools: data sets, transforms, metric, inference, task."""

from mnv4_vision.cls.dataset import ImageDataset
from mnv4_vision.cls.evaluation import ClassificationMetric, ValLossHook
from mnv4_vision.cls.inference import Classification, ImageClassifier
from mnv4_vision.cls.task import ClassificationTask
from mnv4_vision.cls.transforms import (
    Albumentations,
    EvalCrop,
    InceptionCrop,
    PackImage,
    RandAugment,
)

__all__ = [
    "Albumentations",
    "Classification",
    "ClassificationMetric",
    "ClassificationTask",
    "EvalCrop",
    "ImageClassifier",
    "ImageDataset",
    "InceptionCrop",
    "PackImage",
    "RandAugment",
    "ValLossHook",
]
