"""LR-ASPP, MobileNetV3-Large, small data from random weights: 3.30 M parameters, 6.41 GMACs.

    python tools/train.py configs/seg/lraspp_mobilenetv3_scratch.py --data-root DIR

mmseg's own model, from random weights; its gate pools the whole map, as mmseg's fits large crops
only. Data, schedule and evaluation are those of `lraspp_mnv4_conv_s_scratch.py`, to compare.
Expected: CamVid val mIoU 0.404 after 16 epochs, 56 minutes of one core (README).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.seg.lraspp_mobilenetv3 import *
    from .._base_.seg.scratch import *
