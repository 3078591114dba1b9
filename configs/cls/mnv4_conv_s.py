"""Classifier, MobileNetV4-Conv-S, fine-tuning, 224 px: 3.77 M parameters, 0.19 GMACs.

    python tools/train.py configs/cls/mnv4_conv_s.py --data-root DIR

Expected: top-1 of your data; ImageNet's by the weights themselves is in their catalogue entry.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.demo import *
    from .._base_.cls.finetune import *
    from .._base_.cls.imagenet import *
    from .._base_.cls.mnv4 import *
    from .._base_.runtime import *

image_size = (224, 224)
train_dataloader.dataset.pipeline[1].update(scale=image_size)
val_dataloader.dataset.pipeline[1].update(scale=image_size)
test_dataloader = val_dataloader
model.backbone.update(arch="conv_s", pretrained="conv_s.e2400_r224_in1k")
