"""SSDLite, MobileNetEdgeTPU, small data from random weights, 320 px: 5.15 M parameters, 2.29 GMACs.

    python tools/train.py configs/det/ssdlite_mobilenet_edgetpu.py --data-root DIR

Taps, anchor sizes, focal loss and NMS of TensorFlow's ssdlite_mobilenet_edgetpu_320x320_coco, whose
lowest level has 3 anchors a pixel and not 6. No weights of the backbone are published.
Expected: not trained yet.
"""

from mmdet.models.losses import FocalLoss
from mmengine.config import read_base

with read_base():
    from .._base_.det.scratch_320 import *
    from .._base_.det.ssdlite_mobilenetv3 import *

norm_cfg = dict(type="BN", eps=1e-3, momentum=0.03)
model.backbone.update(model_name="mobilenet_edgetpu_100", pretrained=None)
model.neck.update(expand_last=1280, norm_cfg=norm_cfg)
model.bbox_head.update(
    norm_cfg=norm_cfg, loss_cls=dict(type=FocalLoss, use_sigmoid=True, gamma=2.0, alpha=0.75)
)
model.test_cfg.nms.update(iou_threshold=0.6)
