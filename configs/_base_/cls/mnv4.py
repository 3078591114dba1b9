"""MobileNetV4's classifier: C5, 960 and 1280 channels, dropout, linear layer.

The head follows the backbone, mean, std and crop the weights, when the run is prepared.
"""

from mnv4_vision.cls import ClassificationTask
from mnv4_vision.core.backbones import MobileNetV4, MobileNetV4Head
from mnv4_vision.core.classification import Classifier, ImagePreprocessor, SoftCrossEntropyLoss

task = dict(type=ClassificationTask)
model = dict(
    type=Classifier,
    data_preprocessor=dict(type=ImagePreprocessor, bgr_to_rgb=True),
    backbone=dict(
        type=MobileNetV4,
        arch="conv_m",
        out_indices=(4,),
        drop_path_rate=0.0,
        pretrained="conv_m.e500_r256_in1k",
    ),
    head=dict(
        type=MobileNetV4Head, arch="conv_m", in_channels=256, num_classes=1000, drop_rate=0.2
    ),
    loss=dict(type=SoftCrossEntropyLoss, label_smoothing=0.1),
)
