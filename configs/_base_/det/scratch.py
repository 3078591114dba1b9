"""The schedule for small data from random weights: 40 epochs of batch 8, a high learning rate."""

from mmengine.config import read_base

with read_base():
    from ..runtime import *
    from .finetune import *

max_epochs = 40
optim_wrapper.merge(dict(optimizer=dict(lr=3e-3)))
auto_scale_lr.update(base_batch_size=8)
train_cfg.update(max_epochs=max_epochs, val_interval=5)
param_scheduler[1].update(end=max_epochs)
default_hooks.merge(dict(logger=dict(interval=25)))
