"""Cityscapes: 2,975 train and 500 val photos, 19 classes, below `data/cityscapes`; as `ade20k.py`.

Training: crops of 1024 x 512 at 0.5-2 times the photo's 2048 x 1024. Evaluation: whole photos.
"""

from mmengine.config import read_base

with read_base():
    from .ade20k import *

image_size = (1024, 512)
data_root = "data/cityscapes"
train_dataloader.dataset.update(data_root=data_root)
# 1 is the size at which a photo just covers the crop: half its own.
train_dataloader.dataset.pipeline[2].update(scale=image_size, ratio_range=(1.0, 4.0))
val_dataloader.dataset.update(data_root=data_root)
val_dataloader.dataset.pipeline[1].update(scale=(2048, 1024))
test_dataloader = val_dataloader
