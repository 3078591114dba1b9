"""SSDLite, MobileNetV3-Small with a halved tail, small data, 320 px: 1.76 M parameters, 0.19 GMACs.

    python tools/train.py configs/det/ssdlite_mobilenetv3_small_reduced.py --data-root DIR

Half the channels between C4 and C5, from random weights, as no others fit.
The paper's Table 6: 1.77 M parameters, 0.16 G multiply-adds; its AP of 16.1 is TensorFlow's.
Expected: not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.scratch_320 import *
    from .._base_.det.ssdlite_mobilenetv3 import *

model.backbone.update(model_name="mobilenetv3_small_100", halved_tail=True, pretrained=None)
