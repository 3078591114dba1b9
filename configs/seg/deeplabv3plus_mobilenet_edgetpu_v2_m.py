"""DeepLabV3+, MobileNetEdgeTPU-V2-M, ADE20K, 512 px: 7.14 M parameters, 12.57 GMACs.

    python tools/train.py configs/seg/deeplabv3plus_mobilenet_edgetpu_v2_m.py

The widths, rates and maps of TensorFlow's deeplabv3plus_mobilenet_edgetpuv2_m_ade20k_32 (7.7 M,
mIoU 59.81 on 32 of ADE20K's classes), whose dropout of 0.3 is behind ASPP.
Expected: ADE20K val mIoU not trained yet.
"""

from mmengine.config import read_base

from mnv4_vision.core.backbones import TimmBackbone

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k import *
    from .._base_.seg.deeplabv3plus_mnv4 import *
    from .._base_.seg.demo import *
    from .._base_.seg.finetune import *

model.backbone = dict(
    type=TimmBackbone,
    model_name="mobilenet_edgetpu_v2_m",
    out_indices=(2, 4),
    output_stride=16,
    pretrained="mobilenet_edgetpu_v2_m.ra4_e3600_r224_in1k",
)
model.decode_head.update(aspp_channels=128, dilations=(5, 10, 15), dropout_ratio=0.3)
