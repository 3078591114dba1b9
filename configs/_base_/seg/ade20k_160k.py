"""mmseg's 160k schedule and ADE20K augmentation: SGD 0.01, poly 0.9 to 1e-4, batch 16, no warm-up.

160,000 steps of 16 images are 126.7 epochs; they are 127 here, as resuming, EMA and `--epochs`
count in epochs. The colours are mmseg's `PhotoMetricDistortion`. Needs a GPU.
"""

from mmengine.config import read_base
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, PolyLR
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from mmseg.datasets.transforms import PhotoMetricDistortion
from torch.optim import SGD

with read_base():
    from .ade20k import *

max_epochs = 127
train_dataloader.dataset.pipeline[3] = dict(type=PhotoMetricDistortion)
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=max_epochs, val_interval=12)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=0.0005),
    constructor=DefaultOptimWrapperConstructor,
)
auto_scale_lr = dict(enable=True, base_batch_size=16)
iterations = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type=PolyLR, power=0.9, eta_min=1e-4, begin=0, end=max_epochs, **iterations)
]
