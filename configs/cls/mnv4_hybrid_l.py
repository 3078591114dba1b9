"""Classifier, MobileNetV4-Hybrid-L, fine-tuning, 384 px: 37.76 M parameters, 7.71 GMACs.

    python tools/train.py configs/cls/mnv4_hybrid_l.py --data-root DIR

Expected: top-1 of your data; ImageNet's by the weights themselves is in their catalogue entry.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.demo import *
    from .._base_.cls.finetune import *
    from .._base_.cls.imagenet import *
    from .._base_.cls.mnv4 import *
    from .._base_.runtime import *

image_size = (384, 384)
train_dataloader.dataset.pipeline[1].update(scale=image_size)
val_dataloader.dataset.pipeline[1].update(scale=image_size)
test_dataloader = val_dataloader
model.backbone.update(arch="hybrid_l", pretrained="hybrid_l.ix_e600_r384_in1k")
