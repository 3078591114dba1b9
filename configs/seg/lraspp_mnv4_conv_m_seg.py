"""LR-ASPP, MobileNetV4-Conv-M-Seg, ADE20K, 512 px: 3.31 M parameters, 4.46 GMACs.

    python tools/train.py configs/seg/lraspp_mnv4_conv_m_seg.py

The backbone has no published PyTorch weights: `--pretrained FILE`, or random ones.

Expected: ADE20K val mIoU not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *
    from .._base_.seg.lraspp_mnv4 import *

model.backbone.update(arch="conv_m_seg", pretrained=None, drop_path_rate=0.1)
