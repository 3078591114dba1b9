"""ImageNet-1k in class folders below `data/imagenet`, 256 px; `--data-root` takes any other set.

Training: Inception crop and mirroring. Evaluation: resize and centre crop, with the crop and the
interpolation of the pretrained weights, as timm publishes them.
"""

from mmengine.dataset import DefaultSampler

from mnv4_vision.cls import (
    ClassificationMetric,
    EvalCrop,
    ImageDataset,
    InceptionCrop,
    PackImage,
    ValLossHook,
)
from mnv4_vision.core.engine import seed_worker
from mnv4_vision.datasets import LoadImage

default_scope = "mmengine"
image_size = (256, 256)
data_root = "data/imagenet"
train_pipeline = [
    dict(type=LoadImage),
    dict(type=InceptionCrop, scale=image_size),
    dict(type=PackImage),
]
test_pipeline = [
    dict(type=LoadImage),
    dict(type=EvalCrop, scale=image_size),
    dict(type=PackImage),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    drop_last=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    worker_init_fn=dict(type=seed_worker),
    dataset=dict(type=ImageDataset, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=ImageDataset, data_root=data_root, split="val", test_mode=True, pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ClassificationMetric)
test_evaluator = val_evaluator
custom_hooks = [dict(type=ValLossHook)]
