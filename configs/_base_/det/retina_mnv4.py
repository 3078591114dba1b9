"""RetinaNet on MobileNetV4 (paper section 7.2): FPN 256 on P3-P7, 4-convolution heads, separable.

Mean and std come from the weights' catalogue entry when the run is prepared.
"""

from mmdet.models import DetDataPreprocessor, RetinaNet
from mmdet.models.losses import FocalLoss, GIoULoss
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmdet.models.task_modules.samplers import PseudoSampler

from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.det import DetectionTask, SeparableFPN, SeparableRetinaHead

task = dict(type=DetectionTask)
model = dict(
    type=RetinaNet,
    data_preprocessor=dict(type=DetDataPreprocessor, bgr_to_rgb=True, pad_size_divisor=32),
    backbone=dict(
        type=MobileNetV4,
        arch="conv_m",
        out_indices=(2, 3, 4),
        drop_path_rate=0.0,
        pretrained="conv_m.e500_r256_in1k",
    ),
    neck=dict(type=SeparableFPN, in_channels=[80, 160, 256], out_channels=256, num_outs=5),
    bbox_head=dict(
        type=SeparableRetinaHead,
        num_classes=80,
        in_channels=256,
        feat_channels=256,
        stacked_convs=4,
        anchor_generator=dict(
            type=AnchorGenerator,
            octave_base_scale=3,
            scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64, 128],
        ),
        bbox_coder=dict(type=DeltaXYWHBBoxCoder),
        reg_decoded_bbox=True,
        loss_cls=dict(type=FocalLoss, use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type=GIoULoss, loss_weight=2.0),
    ),
    train_cfg=dict(
        assigner=dict(
            type=MaxIoUAssigner, pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1
        ),
        sampler=dict(type=PseudoSampler),
        allowed_border=-1,
        pos_weight=-1,
    ),
    test_cfg=dict(
        nms_pre=1000,
        min_bbox_size=0,
        score_thr=0.05,
        nms=dict(type="nms", iou_threshold=0.5),
        max_per_img=100,
    ),
)
