"""SSD on MobileNetV4: C4, C5 and four extra levels, a 3x3 convolution as predictor on each.

The tapped maps are `model.backbone.out_indices`: `(3, 4)` for C4 and C5 (strides 16 and 32),
`(2, 3, 4)` with C3 for small objects; `model.neck.expand_last=960` puts MNv4's 1x1 convolution on
C5. Channels, strides and anchors follow from the backbone and the image size when the run is
prepared, and so do mean and std from the weights' catalogue entry.

Images are resized with their aspect ratio kept and padded, as for RetinaNet, and not stretched to a
square as in SSD's paper: the shape of an object stays the same whatever camera it comes from.
"""

from mmdet.models import DetDataPreprocessor, SingleStageDetector
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmdet.models.task_modules.samplers import PseudoSampler

from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.det import DetectionTask, MobileSSDHead, ScaledSSDAnchors, SSDExtraLevels

task = dict(type=DetectionTask)
model = dict(
    type=SingleStageDetector,
    data_preprocessor=dict(type=DetDataPreprocessor, bgr_to_rgb=True, pad_size_divisor=1),
    backbone=dict(
        type=MobileNetV4,
        arch="conv_s",
        out_indices=(3, 4),
        drop_path_rate=0.0,
        pretrained="conv_s.e2400_r224_in1k",
    ),
    neck=dict(type=SSDExtraLevels, in_channels=[96, 128], extra_channels=[512, 256, 256, 128]),
    bbox_head=dict(
        type=MobileSSDHead,
        num_classes=80,
        in_channels=[96, 128, 512, 256, 256, 128],
        anchor_generator=dict(
            type=ScaledSSDAnchors,
            image_size=(320, 320),
            strides=[16, 32, 64, 128, 256, 512],
            size_range=(0.15, 0.95),
            ratios=[2, 3],
        ),
        bbox_coder=dict(type=DeltaXYWHBBoxCoder, target_stds=[0.1, 0.1, 0.2, 0.2]),
    ),
    train_cfg=dict(
        assigner=dict(
            type=MaxIoUAssigner,
            pos_iou_thr=0.5,
            neg_iou_thr=0.5,
            min_pos_iou=0.0,
            ignore_iof_thr=-1,
            gt_max_assign_all=False,
        ),
        sampler=dict(type=PseudoSampler),
        allowed_border=-1,
        pos_weight=-1,
        neg_pos_ratio=3,
    ),
    test_cfg=dict(
        nms_pre=1000,
        min_bbox_size=0,
        score_thr=0.02,
        nms=dict(type="nms", iou_threshold=0.45),
        max_per_img=100,
    ),
)
