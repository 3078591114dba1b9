"""The schedule for small data from random weights: 128 px, 200 epochs of batch 16.

Mixup or CutMix on every other batch; colours, crops of a quarter of the photo and more.
"""

from mmengine.config import read_base

from mnv4_vision.cls import Albumentations
from mnv4_vision.core.classification import BatchMixing
from mnv4_vision.core.engine import DecayGroupsConstructor

with read_base():
    from ..runtime import *
    from .finetune import *
    from .imagenet import *

image_size = (128, 128)
max_epochs = 200
colour = dict(type="ColorJitter", brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05, p=0.8)
mixing = dict(type=BatchMixing, mixup_alpha=0.2, cutmix_alpha=1.0, prob=0.5)
train_dataloader.update(batch_size=16)
train_dataloader.dataset.pipeline[1].update(scale=image_size, area_range=(0.25, 1.0))
train_dataloader.dataset.pipeline.insert(2, dict(type=Albumentations, transforms=[colour]))
val_dataloader.dataset.pipeline[1].update(scale=image_size)
test_dataloader = val_dataloader
optim_wrapper.merge(dict(optimizer=dict(lr=1e-3)))
optim_wrapper.update(constructor=DecayGroupsConstructor, paramwise_cfg=None)
auto_scale_lr.update(base_batch_size=16)
train_cfg.update(max_epochs=max_epochs, val_interval=20)
param_scheduler[0].update(end=5)
param_scheduler[1].update(begin=5, end=max_epochs)
default_hooks.merge(dict(logger=dict(interval=37)))
