"""LR-ASPP (MobileNetV3 section 6.4) on MobileNetV4: C5 at output stride 16, with C3 at stride 8.

`model.backbone.out_indices=(1, 2, 4)` adds C2 at stride 4. Channels follow from the backbone, mean
and std from the weights' catalogue entry when the run is prepared.
"""

from mmengine.config import read_base

from mnv4_vision.seg import MobileLRASPPHead

with read_base():
    from .deeplabv3_mnv4 import *

model.backbone.update(out_indices=(2, 4))
model.decode_head = dict(
    type=MobileLRASPPHead,
    in_channels=[80, 256],
    channels=128,
    num_classes=150,
    dropout_ratio=0.1,
    loss_decode=model.decode_head.loss_decode,
)
