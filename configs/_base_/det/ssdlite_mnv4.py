"""SSDLite (MobileNetV2 paper, section 6.2) on MobileNetV4: SSD with separable convolutions."""

from mmengine.config import read_base

with read_base():
    from .ssd_mnv4 import *

model.merge(dict(neck=dict(use_depthwise=True), bbox_head=dict(use_depthwise=True)))
