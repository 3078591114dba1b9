"""MobileNetV4 section 7.2: 600 epochs at batch 2048, Adam with L2 3e-5, 24 epochs of warm-up.

Needs a cluster: 64 processes of 32 images. The paper tunes the learning rate per model and does
not state it; 4e-3 is our starting point. RandAugment leaves out Shear and Rotate, as there.
"""

from mmcv.transforms import RandomResize
from mmdet.datasets.transforms import (
    AutoContrast,
    Brightness,
    Color,
    Contrast,
    Equalize,
    Invert,
    LoadAnnotations,
    PackDetInputs,
    Pad,
    Posterize,
    RandAugment,
    RandomCrop,
    RandomFlip,
    Sharpness,
    Solarize,
    SolarizeAdd,
    TranslateX,
    TranslateY,
)
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from torch.optim import Adam

from mnv4_vision.core.engine import DecayGroupsConstructor
from mnv4_vision.datasets import LoadImage

image_size = (384, 384)
max_epochs = 600
photometric = (
    AutoContrast, Equalize, Invert, Posterize, Solarize, SolarizeAdd, Color, Contrast, Brightness,
    Sharpness,
)  # fmt: skip
paper_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadAnnotations, with_bbox=True),
    dict(type=RandomFlip, prob=0.5),
    dict(type=RandomResize, scale=image_size, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type=RandomCrop, crop_size=image_size),
    dict(
        type=RandAugment,
        aug_num=2,
        aug_space=[[dict(type=op)] for op in (*photometric, TranslateX, TranslateY)],
    ),
    dict(type=Pad, size=image_size, pad_val=dict(img=(114, 114, 114))),
    dict(type=PackDetInputs),
]
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=Adam, lr=4e-3, weight_decay=3e-5),
    constructor=DecayGroupsConstructor,
)
auto_scale_lr = dict(enable=True, base_batch_size=2048)
iterations = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.001, begin=0, end=24, **iterations),
    dict(type=CosineAnnealingLR, eta_min=0.0, begin=24, end=max_epochs, **iterations),
]
