"""Small data from random weights: photos at 480 x 360, crops of 256 x 256, 120 epochs, batch 8.

A short training from random weights wants a high learning rate and many small steps.
"""

from mmengine.config import read_base

from mnv4_vision.seg import ClassWeightsHook

with read_base():
    from ..runtime import *
    from .ade20k import *
    from .cosine import *

image_size = (480, 360)
max_epochs = 120
class_weights = dict(type=ClassWeightsHook, power=0.5)
train_dataloader.update(batch_size=8)
train_dataloader.dataset.pipeline[2].update(
    scale=image_size, crop_size=(256, 256), ratio_range=(0.5, 1.5)
)
val_dataloader.dataset.pipeline[1].update(scale=image_size)
test_dataloader = val_dataloader
optim_wrapper.merge(dict(optimizer=dict(lr=3e-3)))
auto_scale_lr.update(base_batch_size=8)
train_cfg.update(max_epochs=max_epochs, val_interval=20)
param_scheduler[0].update(end=2)
param_scheduler[1].update(begin=2, end=max_epochs)
default_hooks.merge(dict(logger=dict(interval=45)))
