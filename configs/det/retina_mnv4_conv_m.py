"""RetinaNet, MobileNetV4-Conv-M, COCO, 384 px: 8.19 M parameters, 4.95 GMACs.

    python tools/train.py configs/det/retina_mnv4_conv_m.py

Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco import *
    from .._base_.det.demo import *
    from .._base_.det.finetune import *
    from .._base_.det.retina_mnv4 import *
    from .._base_.runtime import *

model.merge(
    dict(
        backbone=dict(arch="conv_m", pretrained="conv_m.e500_r256_in1k", drop_path_rate=0.1),
        neck=dict(in_channels=[80, 160, 256]),
    )
)
