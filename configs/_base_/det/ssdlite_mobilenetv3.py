"""SSDLite on MobileNetV3 (paper, section 6.3): C4 is tapped where the next block has expanded it.

C5 is the layer in front of the pooling, after the 1x1 convolution of 960 (Small: 576) channels.
Extra levels, predictors and anchors are those of `ssdlite_mnv4.py`. What differs from the paper's,
which TensorFlow published: batch norm and ReLU of our layers are PyTorch's, the lowest level has 6
anchors a pixel and not 3, and 81 classes in place of 91.
"""

from mmengine.config import read_base

from mnv4_vision.core.backbones import TimmBackbone

with read_base():
    from .ssdlite_mnv4 import *

model.backbone = dict(
    type=TimmBackbone,
    model_name="mobilenetv3_large_100",
    out_indices=(3, 4),
    expanded_c4=True,
    pretrained="mobilenetv3_large_100.ra_in1k",
)
model.bbox_head.anchor_generator.update(size_range=(0.2, 0.95))
