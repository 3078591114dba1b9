"""Small data from random weights at 320 px: 120 epochs of batch 8, mild scale jitter."""

from mmengine.config import read_base

with read_base():
    from .coco_320 import *
    from .scratch import *

max_epochs = 120
train_dataloader.update(batch_size=8)
train_dataloader.dataset.pipeline[2].update(ratio_range=(0.8, 1.25))
train_cfg.update(max_epochs=max_epochs, val_interval=10)
param_scheduler[1].update(end=max_epochs)
