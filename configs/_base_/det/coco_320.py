"""COCO detection as in `coco.py`, at 320 px."""

from mmengine.config import read_base

with read_base():
    from .coco import *

image_size = (320, 320)
train_dataloader.dataset.pipeline[2].update(scale=image_size)
train_dataloader.dataset.pipeline[4].update(size=image_size)
val_dataloader.dataset.pipeline[1].update(scale=image_size)
val_dataloader.dataset.pipeline[2].update(size=image_size)
test_dataloader = val_dataloader
