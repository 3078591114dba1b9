"""mmseg's `lraspp_m-v3-d8`, MobileNetV3-Large at stride 8 with LR-ASPP: the peer to compare.

One change: the gate pools the whole map (`PooledLRASPPHead` says why). SyncBN is BN, the same in
one process.
"""

from mmseg.models import EncoderDecoder, MobileNetV3, SegDataPreProcessor
from mmseg.models.losses import CrossEntropyLoss

from mnv4_vision.seg import PooledLRASPPHead, SegmentationTask

task = dict(type=SegmentationTask)
norm_cfg = dict(type="BN", eps=0.001, requires_grad=True)
model = dict(
    type=EncoderDecoder,
    data_preprocessor=dict(
        type=SegDataPreProcessor,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size_divisor=1,
    ),
    backbone=dict(type=MobileNetV3, arch="large", out_indices=(1, 3, 16), norm_cfg=norm_cfg),
    decode_head=dict(
        type=PooledLRASPPHead,
        in_channels=(16, 24, 960),
        in_index=(0, 1, 2),
        channels=128,
        input_transform="multiple_select",
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=norm_cfg,
        act_cfg=dict(type="ReLU"),
        align_corners=False,
        loss_decode=dict(type=CrossEntropyLoss, use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
