"""SSDLite, MobileNetV2, small data from random weights: 4.23 M parameters, 0.75 GMACs.

    python tools/train.py configs/det/ssdlite_mobilenetv2_scratch.py --data-root DIR

mmdet's own ssdlite_mobilenetv2-scratch model, unchanged, at 320 px; data, schedule and evaluation
are those of `ssdlite_mnv4_conv_s_scratch.py`, so that the two can be compared.
Expected: BCCD val AP 0.518, AP50 0.802 after 94 minutes on one CPU core (README).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.scratch_320 import *
    from .._base_.det.ssdlite_mobilenetv2 import *
