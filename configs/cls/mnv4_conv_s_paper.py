"""Classifier, MobileNetV4-Conv-S, ImageNet, 224 px: 3.77 M parameters, 0.19 GMACs.

The paper's recipe (Table 10): 9600 epochs, beta1 0.6, EMA 0.9999, an L2 penalty.

    torchrun --nproc-per-node 16 ... tools/train.py configs/cls/mnv4_conv_s_paper.py \
        --launcher pytorch

Expected: ImageNet top-1 73.8 (MobileNetV4 paper, Table 6); here not trained yet.
"""

from mmengine.config import read_base
from mmengine.model import ExponentialMovingAverage

with read_base():
    from .._base_.cls.mnv4 import *
    from .._base_.cls.paper import *

image_size = (224, 224)
max_epochs = 9600
model.backbone.update(arch="conv_s", pretrained=None, bn_eps=1e-6, bn_momentum=0.05)
model.head.update(drop_rate=0.3)
model.update(l2_penalty=1e-5)
train_dataloader.dataset.pipeline[1].update(scale=image_size)
train_dataloader.dataset.pipeline[2].update(magnitude=9, prob=0.5, translate_const=20)
val_dataloader.dataset.pipeline[1].update(scale=image_size)
test_dataloader = val_dataloader
optim_wrapper.optimizer.update(lr=2e-3, weight_decay=0.01, betas=(0.6, 0.999), eps=1e-6)
train_cfg.update(max_epochs=max_epochs)
param_scheduler[1].update(end=max_epochs)
default_hooks.ema.update(ema_type=ExponentialMovingAverage, momentum=1e-4)
del default_hooks.ema["gamma"]
