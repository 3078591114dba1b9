"""SSDLite, MobileOne-S1, COCO, 320 px: 5.71 M parameters, 1.90 GMACs.

    python tools/train.py configs/det/ssdlite_mobileone_s1.py

It trains with parallel branches, which evaluation, inference and the counts above have joined.
Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

from mnv4_vision.core.backbones import TimmBackbone

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssdlite_mnv4 import *
    from .._base_.runtime import *

model.backbone = dict(
    type=TimmBackbone,
    model_name="mobileone_s1",
    out_indices=(3, 4),
    pretrained="mobileone_s1.apple_in1k",
)
