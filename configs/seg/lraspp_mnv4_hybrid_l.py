"""LR-ASPP, MobileNetV4-Hybrid-L, ADE20K, 512 px: 34.92 M parameters, 38.18 GMACs.

    python tools/train.py configs/seg/lraspp_mnv4_hybrid_l.py

Expected: ADE20K val mIoU not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *
    from .._base_.seg.lraspp_mnv4 import *

model.backbone.update(arch="hybrid_l", pretrained="hybrid_l.ix_e600_r384_in1k", drop_path_rate=0.2)
