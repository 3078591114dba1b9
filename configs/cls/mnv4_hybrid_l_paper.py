"""Classifier, MobileNetV4-Hybrid-L, ImageNet, 384 px: 37.76 M parameters, 7.71 GMACs.

The paper's recipe (Table 10): batch 16384, mixup and CutMix, cosine to 0.001 of the peak.

    torchrun --nproc-per-node 16 --nnodes 4 ... tools/train.py configs/cls/mnv4_hybrid_l_paper.py \
        --launcher pytorch

Expected: ImageNet top-1 83.4 (MobileNetV4 paper, Table 6); here not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .mnv4_conv_l_paper import *

model.backbone.update(arch="hybrid_l")
optim_wrapper.optimizer.update(lr=0.01)
param_scheduler[1].pop("eta_min")
param_scheduler[1].update(eta_min_ratio=0.001)
