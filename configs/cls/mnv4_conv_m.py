"""Classifier, MobileNetV4-Conv-M, fine-tuning, 256 px: 9.72 M parameters, 1.08 GMACs.

    python tools/train.py configs/cls/mnv4_conv_m.py --data-root DIR

Expected: top-1 of your data; ImageNet's by the weights themselves is in their catalogue entry.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.demo import *
    from .._base_.cls.finetune import *
    from .._base_.cls.imagenet import *
    from .._base_.cls.mnv4 import *
    from .._base_.runtime import *
