"""SSDLite with RetinaNet's losses: focal loss on every anchor, GIoU loss on the decoded boxes.

They take the place of softmax with hard negatives and of smooth L1 on the encoded boxes.
"""

from mmdet.models.losses import FocalLoss, GIoULoss
from mmengine.config import read_base

with read_base():
    from .ssdlite_mnv4 import *

model.bbox_head.update(
    loss_cls=dict(type=FocalLoss, use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
    loss_bbox=dict(type=GIoULoss, loss_weight=2.0),
    reg_decoded_bbox=True,
)
model.bbox_head.bbox_coder.update(target_stds=[1.0, 1.0, 1.0, 1.0])
