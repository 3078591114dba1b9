"""RetinaNet, MobileNetV4-Conv-M, small data from random weights: 8.19 M parameters, 4.95 GMACs.

    python tools/train.py configs/det/retina_mnv4_conv_m_scratch.py --data-root DIR --image-size 256

40 epochs, batch 8, a high learning rate and mild scale jitter; two CPU cores do it.
Expected: BCCD val AP 0.515, AP50 0.824 after 21.6 minutes on two CPU cores (README).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco import *
    from .._base_.det.retina_mnv4 import *
    from .._base_.det.scratch import *

model.merge(dict(backbone=dict(arch="conv_m", pretrained=None)))
train_dataloader.update(batch_size=8)
train_dataloader.dataset.pipeline[2].update(ratio_range=(0.8, 1.25))
