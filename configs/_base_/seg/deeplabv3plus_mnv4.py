"""DeepLabV3+ on MobileNetV4: ASPP on C5 at output stride 16, decoder on C2, separable throughout.

`model.backbone.out_indices=(2, 4)` decodes on C3, `model.backbone.output_stride=8` keeps C4 and C5
at stride 8; channels and atrous rates follow. Mean and std come from the weights' catalogue entry.
"""

from mmengine.config import read_base

with read_base():
    from .deeplabv3_mnv4 import *

model.backbone.update(out_indices=(1, 4))
model.decode_head.update(in_channels=[80, 256], low_level_channels=48)
