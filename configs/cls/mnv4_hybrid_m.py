"""Classifier, MobileNetV4-Hybrid-M, fine-tuning, 256 px: 11.07 M parameters, 1.27 GMACs.

    python tools/train.py configs/cls/mnv4_hybrid_m.py --data-root DIR

Expected: top-1 of your data; ImageNet's by the weights themselves is in their catalogue entry.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.demo import *
    from .._base_.cls.finetune import *
    from .._base_.cls.imagenet import *
    from .._base_.cls.mnv4 import *
    from .._base_.runtime import *

model.backbone.update(arch="hybrid_m", pretrained="hybrid_m.ix_e550_r256_in1k")
