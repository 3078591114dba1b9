"""Classifier, MobileNetV4-Hybrid-M, ImageNet, 256 px: 11.07 M parameters, 1.27 GMACs.

The paper's recipe (Table 10): batch 16384, which is 64 processes of 256 images.

    torchrun --nproc-per-node 16 --nnodes 4 ... tools/train.py configs/cls/mnv4_hybrid_m_paper.py \
        --launcher pytorch

Expected: ImageNet top-1 80.7 (MobileNetV4 paper, Table 6); here not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .mnv4_conv_m_paper import *

model.backbone.update(arch="hybrid_m")
optim_wrapper.optimizer.update(lr=0.016)
auto_scale_lr.update(base_batch_size=16384)
param_scheduler[0].update(end=20)
param_scheduler[1].update(begin=20)
