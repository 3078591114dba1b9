"""COCO-Stuff: 118,287 train and 5,000 val photos, 171 classes, below `data/coco_stuff`.

Otherwise as `ade20k.py`: crop 512 x 512.
"""

from mmengine.config import read_base

with read_base():
    from .ade20k import *

data_root = "data/coco_stuff"
train_dataloader.dataset.update(data_root=data_root)
val_dataloader.dataset.update(data_root=data_root)
test_dataloader = val_dataloader
