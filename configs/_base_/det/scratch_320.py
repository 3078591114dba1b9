"""Small data from random weights at 320 px: 120 epochs, batch 8, on two CPU cores.

A short training from random weights wants a high learning rate and mild scale jitter.
"""

from mmengine.config import read_base

with read_base():
    from ..runtime import *
    from .coco_320 import *
    from .finetune import *

max_epochs = 120
train_dataloader.update(batch_size=8)
train_dataloader.dataset.pipeline[2].update(ratio_range=(0.8, 1.25))
optim_wrapper.merge(dict(optimizer=dict(lr=3e-3)))
auto_scale_lr.update(base_batch_size=8)
train_cfg.update(max_epochs=max_epochs, val_interval=10)
param_scheduler[1].update(end=max_epochs)
default_hooks.merge(dict(logger=dict(interval=25)))
