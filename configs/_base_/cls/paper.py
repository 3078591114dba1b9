"""MobileNetV4's ImageNet recipe (Table 10) as far as all models share it; leaves have the rest.

AdamW, batch 4096, 500 epochs: 5 of warm-up, then cosine; weight decay without norms and biases,
label smoothing 0.1, Inception crop, mirroring, RandAugment of two layers. Steps: TensorFlow's
configurations. Needs accelerators: 16 processes of 256 images, or `--accumulate`.
"""

from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from torch.optim import AdamW

from mnv4_vision.cls import RandAugment
from mnv4_vision.core.classification import BatchMixing
from mnv4_vision.core.engine import DecayGroupsConstructor

with read_base():
    from ..runtime import *
    from .imagenet import *

max_epochs = 500
train_dataloader.update(batch_size=256, num_workers=8)
train_dataloader.dataset.pipeline.insert(
    2, dict(type=RandAugment, num_layers=2, magnitude=15, prob=0.7, translate_const=10)
)
mixing = dict(type=BatchMixing, mixup_alpha=0.8, cutmix_alpha=1.0, prob=0.3, switch_prob=0.5)
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=AdamW, lr=4e-3, weight_decay=0.1, betas=(0.9, 0.999), eps=1e-7),
    constructor=DecayGroupsConstructor,
)
auto_scale_lr = dict(enable=True, base_batch_size=4096)
iterations = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type=LinearLR, start_factor=1e-4, begin=0, end=5, **iterations),
    dict(type=CosineAnnealingLR, eta_min=0.0, begin=5, end=max_epochs, **iterations),
]
