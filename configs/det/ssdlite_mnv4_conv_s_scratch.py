"""SSDLite, MobileNetV4-Conv-S, small data from random weights: 2.26 M parameters, 0.46 GMACs.

    python tools/train.py configs/det/ssdlite_mnv4_conv_s_scratch.py --data-root DIR

C3 as a third tap, for objects of 15 px and more; focal and GIoU loss. 120 epochs.
Expected: BCCD val AP 0.581, AP50 0.889 after 35 minutes on one CPU core (README).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.scratch_320 import *
    from .._base_.det.ssdlite_mnv4_focal import *

model.merge(
    dict(
        backbone=dict(pretrained=None, out_indices=(2, 3, 4)),
        bbox_head=dict(anchor_generator=dict(size_range=(0.125, 0.95))),
    )
)
