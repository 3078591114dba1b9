"""Classifier, MobileNetV4-Conv-L, ImageNet, 384 px: 32.59 M parameters, 6.38 GMACs.

The paper's recipe (Table 10; its TensorFlow configuration has a constant stochastic depth of 0.2
and mixes 0.2 of the batches): batch 16384, mixup and CutMix.

    torchrun --nproc-per-node 16 --nnodes 4 ... tools/train.py configs/cls/mnv4_conv_l_paper.py \
        --launcher pytorch

Expected: ImageNet top-1 82.9 (MobileNetV4 paper, Table 6); here not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .mnv4_hybrid_m_paper import *

image_size = (384, 384)
model.backbone.update(arch="conv_l", drop_path_rate=0.35)
model.update(mixing=mixing)
train_dataloader.dataset.pipeline[1].update(scale=image_size)
train_dataloader.dataset.pipeline[2].update(prob=1.0)
val_dataloader.dataset.pipeline[1].update(scale=image_size)
test_dataloader = val_dataloader
optim_wrapper.optimizer.update(lr=4e-3, weight_decay=0.2)
