"""RetinaNet, MobileNetV4-Conv-M, mosaic and mix-up, COCO, 384 px: 8.19 M parameters, 4.95 GMACs.

    python tools/train.py configs/det/retina_mnv4_conv_m_mosaic.py --epochs 100

For long trainings; the last tenth of the epochs is without mosaic.
Expected: COCO val2017 AP not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.finetune import *
    from .._base_.det.mosaic import *
    from .._base_.det.retina_mnv4 import *
    from .._base_.runtime import *

model.merge(dict(backbone=dict(arch="conv_m", drop_path_rate=0.1)))
