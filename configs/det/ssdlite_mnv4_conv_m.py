"""SSDLite, MobileNetV4-Conv-M, COCO, 320 px: 8.19 M parameters, 1.73 GMACs.

    python tools/train.py configs/det/ssdlite_mnv4_conv_m.py

Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssdlite_mnv4 import *
    from .._base_.runtime import *

model.merge(
    dict(backbone=dict(arch="conv_m", pretrained="conv_m.e500_r256_in1k", drop_path_rate=0.1))
)
