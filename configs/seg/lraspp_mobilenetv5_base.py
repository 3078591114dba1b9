"""LR-ASPP, MobileNetV5-Base, ADE20K, 512 px: 81.18 M parameters, 86.18 GMACs.

    python tools/train.py configs/seg/lraspp_mobilenetv5_base.py

C4 and C5 become one map at stride 16 in MobileNetV5's multi-scale fusion, C3 is the finer one. No
weights of the backbone are published.
Expected: ADE20K val mIoU not trained yet.
"""

from mmengine.config import read_base

from mnv4_vision.core.backbones import TimmBackbone
from mnv4_vision.core.necks import MultiScaleFusionNeck

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *
    from .._base_.seg.lraspp_mnv4 import *

model.backbone = dict(
    type=TimmBackbone, model_name="mobilenetv5_base", out_indices=(2, 3, 4), pretrained=None
)
model.neck = dict(type=MultiScaleFusionNeck, in_channels=[256, 512, 1024], channels=2048)
