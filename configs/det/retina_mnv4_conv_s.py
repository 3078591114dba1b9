"""RetinaNet, MobileNetV4-Conv-S, COCO, 384 px: 2.32 M parameters, 3.06 GMACs.

    python tools/train.py configs/det/retina_mnv4_conv_s.py

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
        backbone=dict(arch="conv_s", pretrained="conv_s.e2400_r224_in1k", drop_path_rate=0.0),
        neck=dict(in_channels=[64, 96, 128]),
    )
)
