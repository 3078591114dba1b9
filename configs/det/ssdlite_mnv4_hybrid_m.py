"""SSDLite, MobileNetV4-Hybrid-M, COCO, 320 px: 9.55 M parameters, 2.06 GMACs.

    python tools/train.py configs/det/ssdlite_mnv4_hybrid_m.py

Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssdlite_mnv4 import *
    from .._base_.runtime import *

model.merge(
    dict(
        backbone=dict(arch="hybrid_m", pretrained="hybrid_m.ix_e550_r256_in1k", drop_path_rate=0.1)
    )
)
