"""Pretrained weights, small data: AdamW, 20 epochs, base batch 64, a warm-up, then cosine.

The stages near the image learn slower: 0.65 times for every stage away from the head. The learning
rate is scaled from the base batch to the real one, and printed.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from torch.optim import AdamW

from mnv4_vision.core.engine import LayerDecayConstructor

max_epochs = 20
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=AdamW, lr=1e-3, weight_decay=0.05),
    constructor=LayerDecayConstructor,
    paramwise_cfg=dict(decay_rate=0.65, decay_type="stage_wise"),
    clip_grad=dict(max_norm=10.0),
)
auto_scale_lr = dict(enable=True, base_batch_size=64)
iterations = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.01, begin=0, end=1, **iterations),
    dict(type=CosineAnnealingLR, eta_min_ratio=0.01, begin=1, end=max_epochs, **iterations),
]
