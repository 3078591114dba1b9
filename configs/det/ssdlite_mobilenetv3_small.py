"""SSDLite, MobileNetV3-Small, COCO, 320 px: 2.48 M parameters, 0.23 GMACs.

    python tools/train.py configs/det/ssdlite_mobilenetv3_small.py

The paper's Table 6: 2.49 M parameters, 0.21 G multiply-adds; its AP of 16.0 is TensorFlow's.
Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco_320 import *
    from .._base_.det.finetune import *
    from .._base_.det.ssdlite_mobilenetv3 import *
    from .._base_.runtime import *

model.backbone.update(
    model_name="mobilenetv3_small_100", pretrained="mobilenetv3_small_100.lamb_in1k"
)
