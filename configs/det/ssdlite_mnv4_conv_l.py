"""SSDLite, MobileNetV4-Conv-L, COCO, 320 px: 31.04 M parameters, 4.47 GMACs.

    python tools/train.py configs/det/ssdlite_mnv4_conv_l.py

Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssdlite_mnv4 import *
    from .._base_.runtime import *

model.merge(
    dict(backbone=dict(arch="conv_l", pretrained="conv_l.e600_r384_in1k", drop_path_rate=0.2))
)
