"""DeepLabV3+, MobileNetV4-Conv-L, ADE20K, 512 px: 30.78 M parameters, 35.07 GMACs.

    python tools/train.py configs/seg/deeplabv3plus_mnv4_conv_l.py

Expected: ADE20K val mIoU not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k import *
    from .._base_.seg.deeplabv3plus_mnv4 import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *

model.backbone.update(arch="conv_l", pretrained="conv_l.e600_r384_in1k", drop_path_rate=0.2)
