"""Classifier, MobileNetV4-Conv-S, small data, 128 px: 3.77 M parameters, 0.06 GMACs.

    python tools/train.py configs/cls/mnv4_conv_s_scratch.py --data-root DIR

Expected: not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.mnv4 import *
    from .._base_.cls.scratch import *

model.update(mixing=mixing)
model.backbone.update(arch="conv_s", pretrained=None)
