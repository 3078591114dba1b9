"""One GPU: AdamW, 64 epochs (80,000 steps of ADE20K), base batch 16, a warm-up, then poly 0.9.

The learning rate is scaled from the base batch to the real one, and printed.
"""

from mmengine.optim import LinearLR, OptimWrapper, PolyLR
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from torch.optim import AdamW

from mnv4_vision.core.engine import DecayGroupsConstructor

max_epochs = 64
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=max_epochs, val_interval=4)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=AdamW, lr=5e-4, weight_decay=0.05),
    constructor=DecayGroupsConstructor,
    clip_grad=dict(max_norm=10.0),
)
auto_scale_lr = dict(enable=True, base_batch_size=16)
iterations = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.01, begin=0, end=1, **iterations),
    dict(type=PolyLR, power=0.9, eta_min=0.0, begin=1, end=max_epochs, **iterations),
]
