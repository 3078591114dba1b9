"""COCO detection: 118,287 train and 5,000 val images, 80 classes, below `data/coco`.

Training: scale jitter 0.5-2, crop, flip, and albumentations' colour transforms.
`--data-root` replaces files, class names and class count together.
"""

from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import (
    LoadAnnotations,
    PackDetInputs,
    Pad,
    Resize,
)
from mmengine.dataset import DefaultSampler

from mnv4_vision.core.engine import seed_worker
from mnv4_vision.datasets import LoadImage
from mnv4_vision.det import Albumentations, FastCocoMetric, PackBoxes, ResizeCropFlip, ValLossHook

default_scope = "mmdet"  # mmdet's own defaults name classes by string
image_size = (384, 384)
data_root = "data/coco/"
colour = [
    dict(type="RandomBrightnessContrast", brightness_limit=0.2, contrast_limit=0.2, p=0.5),
    dict(type="HueSaturationValue", hue_shift_limit=9, sat_shift_limit=30, p=0.3),
    dict(type="ToGray", p=0.02),
    dict(type="Blur", blur_limit=3, p=0.02),
]
train_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadAnnotations, with_bbox=True),
    dict(type=ResizeCropFlip, scale=image_size, ratio_range=(0.5, 2.0)),
    dict(type=Albumentations, transforms=colour),
    dict(type=Pad, size=image_size, pad_val=dict(img=(114, 114, 114))),
    dict(type=PackBoxes),
]
test_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, scale=image_size, keep_ratio=True),
    dict(type=Pad, size=image_size, pad_val=dict(img=(114, 114, 114))),
    dict(type=LoadAnnotations, with_bbox=True),
    dict(
        type=PackDetInputs,
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    drop_last=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    worker_init_fn=dict(type=seed_worker),
    dataset=dict(
        type=CocoDataset,
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(img="train2017/"),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=CocoDataset,
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=FastCocoMetric, ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
custom_hooks = [dict(type=ValLossHook)]
