"""SSDLite, MobileNetV3-Large with a halved tail, small data, 320 px: 3.30 M parameters, 0.56 GMACs.

    python tools/train.py configs/det/ssdlite_mobilenetv3_large_reduced.py --data-root DIR

Half the channels between C4 and C5, from random weights, as no others fit.
The paper's Table 6: 3.22 M parameters, 0.51 G multiply-adds; its AP of 22.0 is TensorFlow's.
Expected: not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.scratch_320 import *
    from .._base_.det.ssdlite_mobilenetv3 import *

model.backbone.update(halved_tail=True, pretrained=None)
