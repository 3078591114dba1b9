"""ADE20K: 20,210 train and 2,000 val photos, 150 classes, below `data/ade20k`; crop 512 x 512.

Training: random scale 0.5-2, crop, flip, and albumentations' colour transforms about as
strong as mmseg's PhotoMetricDistortion. Evaluation: whole photos,
the shorter side 512. `--data-root` replaces files, class names and class count together.
"""

from mmengine.dataset import DefaultSampler
from mmseg.datasets.transforms import PackSegInputs

from mnv4_vision.core.engine import seed_worker
from mnv4_vision.datasets import LoadImage
from mnv4_vision.seg import (
    Albumentations,
    CoverResize,
    LoadMask,
    MaskDataset,
    RandomScaleCropFlip,
    SegmentationMetric,
    ValLossHook,
)

default_scope = "mmseg"
image_size = (512, 512)
data_root = "data/ade20k"
colour = [
    dict(type="RandomBrightnessContrast", brightness_limit=0.125, contrast_limit=0.5, p=0.5),
    dict(type="HueSaturationValue", hue_shift_limit=18, sat_shift_limit=50, p=0.5),
]
train_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadMask),
    dict(type=RandomScaleCropFlip, scale=image_size, ratio_range=(0.5, 2.0)),
    dict(type=Albumentations, transforms=colour),
    dict(type=PackSegInputs),
]
test_pipeline = [
    dict(type=LoadImage),
    dict(type=CoverResize, scale=image_size),
    dict(type=LoadMask),
    dict(type=PackSegInputs),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    drop_last=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    worker_init_fn=dict(type=seed_worker),
    dataset=dict(type=MaskDataset, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=MaskDataset, data_root=data_root, split="val", test_mode=True, pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=SegmentationMetric)
test_evaluator = val_evaluator
custom_hooks = [dict(type=ValLossHook)]
