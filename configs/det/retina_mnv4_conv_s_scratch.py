"""RetinaNet, MobileNetV4-Conv-S, small data from random weights: 2.32 M parameters, 3.06 GMACs.

    python tools/train.py configs/det/retina_mnv4_conv_s_scratch.py --data-root DIR --image-size 256

40 epochs, batch 8, a high learning rate and mild scale jitter; two CPU cores do it.
Expected: BCCD val AP 0.535, AP50 0.844 after 20 minutes on one CPU core (README).
"""

from mmengine.config import read_base

with read_base():
    from .retina_mnv4_conv_m_scratch import *

model.merge(dict(backbone=dict(arch="conv_s"), neck=dict(in_channels=[64, 96, 128])))
