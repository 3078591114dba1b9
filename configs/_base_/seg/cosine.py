"""`finetune.py` with a cosine in place of poly: in place of that file in a leaf."""

from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR

with read_base():
    from .finetune import *

param_scheduler[1] = dict(
    type=CosineAnnealingLR, eta_min_ratio=0.01, begin=1, end=max_epochs, **iterations
)
