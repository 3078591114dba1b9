"""CamVid as SegNet has it: 367 train and 101 val scenes of 480 x 360, 11 classes, `data/camvid`.

Training: scenes at 0.5-2 times their size, crops of 480 x 360. Evaluation: whole scenes.
"""

from mmengine.config import read_base

with read_base():
    from .ade20k import *

image_size = (480, 360)
data_root = "data/camvid"
train_dataloader.dataset.update(data_root=data_root)
train_dataloader.dataset.pipeline[2].update(scale=image_size)
val_dataloader.dataset.update(data_root=data_root)
val_dataloader.dataset.pipeline[1].update(scale=image_size)
test_dataloader = val_dataloader
