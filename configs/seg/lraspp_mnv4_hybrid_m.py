"""LR-ASPP, MobileNetV4-Hybrid-M, ADE20K, 512 px: 8.41 M parameters, 10.57 GMACs.

    python tools/train.py configs/seg/lraspp_mnv4_hybrid_m.py

Expected: ADE20K val mIoU not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *
    from .._base_.seg.lraspp_mnv4 import *

model.backbone.update(arch="hybrid_m", pretrained="hybrid_m.ix_e550_r256_in1k", drop_path_rate=0.1)
