"""SSD, MobileNetV4-Conv-S, SSD's augmentation, COCO, 320 px: 9.45 M parameters, 0.71 GMACs.

    python tools/train.py configs/det/ssd_mnv4_conv_s_zoom.py

Zoom-out and crops by IoU in place of scale jitter; both cost the loader time.
Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.finetune import *
    from .._base_.det.ssd_augment import *
    from .._base_.det.ssd_mnv4 import *
    from .._base_.runtime import *
