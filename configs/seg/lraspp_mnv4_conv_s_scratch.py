"""LR-ASPP, MobileNetV4-Conv-S, small data from random weights: 1.20 M parameters, 1.11 GMACs.

    python tools/train.py configs/seg/lraspp_mnv4_conv_s_scratch.py --data-root DIR

C2 as a third tap, for thin objects; classes weighed by their frequency. Photos at 480 x 360.
Expected: CamVid val mIoU 0.601 (README).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.seg.lraspp_mnv4 import *
    from .._base_.seg.scratch import *

model.backbone.update(arch="conv_s", pretrained=None, out_indices=(1, 2, 4))
model.decode_head.update(in_channels=[32, 64, 128])
