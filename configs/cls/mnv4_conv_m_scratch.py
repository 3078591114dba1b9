"""Classifier, MobileNetV4-Conv-M, small data, 128 px: 9.72 M parameters, 0.27 GMACs.

    python tools/train.py configs/cls/mnv4_conv_m_scratch.py --data-root DIR

Expected: not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.mnv4 import *
    from .._base_.cls.scratch import *

model.update(mixing=mixing)
model.backbone.update(arch="conv_m", pretrained=None)
