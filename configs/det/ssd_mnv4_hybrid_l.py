"""SSD, MobileNetV4-Hybrid-L, COCO, 320 px: 45.37 M parameters, 5.94 GMACs.

    python tools/train.py configs/det/ssd_mnv4_hybrid_l.py

Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssd_mnv4 import *
    from .._base_.runtime import *

model.merge(
    dict(
        backbone=dict(arch="hybrid_l", pretrained="hybrid_l.ix_e600_r384_in1k", drop_path_rate=0.2)
    )
)
