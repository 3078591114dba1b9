"""DeepLabV3+, MobileNetV2, small data from random weights: 15.35 M parameters, 45.57 GMACs.

    python tools/train.py configs/seg/deeplabv3plus_mobilenetv2_scratch.py --data-root DIR

mmseg's own model, unchanged, from random weights; data, schedule and evaluation are those of
`deeplabv3plus_mnv4_conv_s_scratch.py`, so that the two can be compared.
Expected: CamVid val mIoU 0.342 after 7 epochs, 76 minutes of one core (README).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.seg.deeplabv3plus_mobilenetv2 import *
    from .._base_.seg.scratch import *
