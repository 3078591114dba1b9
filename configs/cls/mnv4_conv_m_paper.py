"""Classifier, MobileNetV4-Conv-M, ImageNet, 256 px: 9.72 M parameters, 1.08 GMACs.

The paper's recipe (Table 10).

    torchrun --nproc-per-node 16 ... tools/train.py configs/cls/mnv4_conv_m_paper.py \
        --launcher pytorch

Expected: ImageNet top-1 79.9 (MobileNetV4 paper, Table 6); here not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.cls.mnv4 import *
    from .._base_.cls.paper import *

del default_hooks["ema"]  # the recipe has none
model.backbone.update(pretrained=None, bn_eps=1e-3, bn_momentum=0.003, drop_path_rate=0.075)
