"""DeepLabV3 on MobileNetV4: separable ASPP on C5 at output stride 16.

`model.backbone.output_stride=8` keeps C4 and C5 at stride 8; the atrous rates follow. A hybrid's
attention sees the keys and values it has at stride 32 (`kv_reduction`). Mean and std come from the
weights' catalogue entry when the run is prepared.
"""

from mmseg.models import SegDataPreProcessor
from mmseg.models.losses import CrossEntropyLoss

from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.seg import DeepLabHead, MobileSegmentor, SegmentationTask

task = dict(type=SegmentationTask)
model = dict(
    type=MobileSegmentor,
    data_preprocessor=dict(type=SegDataPreProcessor, bgr_to_rgb=True, size_divisor=1),
    backbone=dict(
        type=MobileNetV4,
        arch="conv_m",
        out_indices=(4,),
        output_stride=16,
        kv_reduction=True,
        drop_path_rate=0.0,
        pretrained="conv_m.e500_r256_in1k",
    ),
    decode_head=dict(
        type=DeepLabHead,
        in_channels=[256],
        channels=256,
        dilations=(6, 12, 18),
        output_stride=16,
        num_classes=150,
        dropout_ratio=0.1,
        loss_decode=dict(type=CrossEntropyLoss, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
