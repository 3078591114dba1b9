"""DeepLabV3, MobileOne-S4, Pascal VOC, 512 px: 15.81 M parameters, 19.44 GMACs.

    python tools/train.py configs/seg/deeplabv3_mobileone_s4.py

It trains with parallel branches, which evaluation, inference and the counts above have joined.
Expected: VOC val mIoU not trained yet.
"""

from mmengine.config import read_base

from mnv4_vision.core.backbones import TimmBackbone

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.deeplabv3_mnv4 import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *
    from .._base_.seg.voc import *

model.backbone = dict(
    type=TimmBackbone,
    model_name="mobileone_s4",
    out_indices=(4,),
    output_stride=16,
    pretrained="mobileone_s4.apple_in1k",
)
model.decode_head.update(num_classes=21)
