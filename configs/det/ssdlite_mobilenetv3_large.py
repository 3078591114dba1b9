"""SSDLite, MobileNetV3-Large, COCO, 320 px: 5.03 M parameters, 0.67 GMACs.

    python tools/train.py configs/det/ssdlite_mobilenetv3_large.py

The paper's Table 6: 4.97 M parameters, 0.62 G multiply-adds; its AP of 22.0 is TensorFlow's.
Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssdlite_mobilenetv3 import *
    from .._base_.runtime import *
