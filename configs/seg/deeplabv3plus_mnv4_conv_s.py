"""DeepLabV3+, MobileNetV4-Conv-S, ADE20K, 512 px: 1.37 M parameters, 2.66 GMACs.

    python tools/train.py configs/seg/deeplabv3plus_mnv4_conv_s.py

Expected: ADE20K val mIoU not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k import *
    from .._base_.seg.deeplabv3plus_mnv4 import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *

model.backbone.update(arch="conv_s", pretrained="conv_s.e2400_r224_in1k", drop_path_rate=0.0)
model.decode_head.update(channels=128)
