"""SSD, MobileNetV4-Conv-S, COCO, 320 px: 9.45 M parameters, 0.71 GMACs.

    python tools/train.py configs/det/ssd_mnv4_conv_s.py

Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssd_mnv4 import *
    from .._base_.runtime import *

model.merge(
    dict(backbone=dict(arch="conv_s", pretrained="conv_s.e2400_r224_in1k", drop_path_rate=0.0))
)
