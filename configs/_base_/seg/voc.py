"""Pascal VOC 2012: 1,464 train or, with SBD's masks, 10,582 trainaug photos; 1,449 val photos.

20 classes and background, below `data/VOCdevkit/VOC2012`; otherwise as `ade20k.py`: crop 512 x 512.
"""

from mmengine.config import read_base

with read_base():
    from .ade20k import *

data_root = "data/VOCdevkit/VOC2012"
train_dataloader.dataset.update(data_root=data_root)
val_dataloader.dataset.update(data_root=data_root)
test_dataloader = val_dataloader
