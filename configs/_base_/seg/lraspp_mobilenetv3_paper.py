"""LR-ASPP on MobileNetV3 as its paper counts it (section 6.4, Table 7: RF2, 128 filters).

C5 is the layer in front of the pooling at output stride 16, with the channels behind C4 halved
(RF2), and C3 at stride 8. From random weights, as in the paper and as no others fit. What differs:
the gate pools the whole map, where the paper has 49 x 49 windows.
"""

from mmengine.config import read_base

from mnv4_vision.core.backbones import TimmBackbone

with read_base():
    from .lraspp_mnv4 import *

model.backbone = dict(
    type=TimmBackbone,
    model_name="mobilenetv3_large_100",
    out_indices=(2, 4),
    output_stride=16,
    halved_tail=True,
    pretrained=None,
)
model.decode_head.update(num_classes=19)
