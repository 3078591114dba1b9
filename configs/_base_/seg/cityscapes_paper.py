"""MobileNetV3's Cityscapes training (section 6.4), as far as it is published. Needs a GPU.

The paper: fine annotations, from random weights, evaluation at one scale, and "the same training
protocol as" DeepLabV3 and MobileNetV2, without numbers. DeepLabV3 (arXiv 1706.05587, sections 4.1
and A): SGD, poly 0.9 from 0.007, batch 16, scale 0.5-2, flip, crops of 769 x 769, 90,000 steps.
DeepLab's code: momentum 0.9, L2 4e-5 for mobile networks. What MobileNetV3 trained with besides,
its number of steps above all, is not stated: mmseg's 67.87 took 320,000 (`--epochs 1721`).

90,000 steps of 16 images are 484 epochs, in which resuming and `--epochs` count.
"""

from mmengine.config import read_base
from mmengine.optim import OptimWrapper, PolyLR
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from torch.optim import SGD

from mnv4_vision.core.engine import DecayGroupsConstructor

with read_base():
    from .cityscapes import *

image_size = (769, 769)
max_epochs = 484
del train_dataloader.dataset.pipeline[3]  # DeepLab has no colour augmentation
# 1 is the size at which a photo just covers the crop: 769 of its 1024 rows.
train_dataloader.dataset.pipeline[2].update(
    scale=image_size, ratio_range=(0.5 * 1024 / 769, 2.0 * 1024 / 769), cat_max_ratio=1.0
)
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=max_epochs, val_interval=44)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=SGD, lr=0.007, momentum=0.9, weight_decay=4e-5),
    constructor=DecayGroupsConstructor,
)
auto_scale_lr = dict(enable=True, base_batch_size=16)
iterations = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [dict(type=PolyLR, power=0.9, eta_min=0.0, begin=0, end=max_epochs, **iterations)]
