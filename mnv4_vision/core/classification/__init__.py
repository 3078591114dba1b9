"""Classification: the model, its heads, mixed labels and scores. Data are read in `cls`."""

from mnv4_vision.core.classification.classifier import Classifier, ClassSample
from mnv4_vision.core.classification.heads import LinearHead, TimmHead, fit_head
from mnv4_vision.core.classification.loss import SoftCrossEntropyLoss
from mnv4_vision.core.classification.mixing import BatchMixing
from mnv4_vision.core.classification.preprocessor import ImagePreprocessor

__all__ = [
    "BatchMixing",
    "ClassSample",
    "Classifier",
    "ImagePreprocessor",
    "LinearHead",
    "SoftCrossEntropyLoss",
    "TimmHead",
    "fit_head",
]
