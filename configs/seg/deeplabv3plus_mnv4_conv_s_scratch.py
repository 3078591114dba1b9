"""DeepLabV3+, MobileNetV4-Conv-S, small data from random weights: 1.37 M parameters, 1.77 GMACs.

    python tools/train.py configs/seg/deeplabv3plus_mnv4_conv_s_scratch.py --data-root DIR

Classes weighed by their frequency. Photos at 480 x 360.
Expected: CamVid val mIoU 0.603 after 100 epochs (README).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.seg.deeplabv3plus_mnv4 import *
    from .._base_.seg.scratch import *

model.backbone.update(arch="conv_s", pretrained=None)
model.decode_head.update(channels=128)
