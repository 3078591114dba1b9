"""Classifier, MobileNetV4-Hybrid-M, small data, 128 px: 11.07 M parameters, 0.31 GMACs.

    python tools/train.py configs/cls/mnv4_hybrid_m_scratch.py --data-root DIR

Expected: not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.mnv4 import *
    from .._base_.cls.scratch import *

model.update(mixing=mixing)
model.backbone.update(arch="hybrid_m", pretrained=None)
