"""LR-ASPP, MobileNetV3-Large, Cityscapes, 769 px: 1.50 M parameters, 2.69 GMACs.

    python tools/train.py configs/seg/lraspp_mobilenetv3_large.py

The paper's model and recipe, from random weights; `_base_/seg/cityscapes_paper.py` says what of it
is published. At 1024x2048 px its Table 7 has 1.51 M parameters, 9.74 G multiply-adds. Needs a GPU.
Expected: Cityscapes val mIoU not trained yet (the paper's: 72.36).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.cityscapes_paper import *
    from .._base_.seg.lraspp_mobilenetv3_paper import *

del default_hooks["ema"]  # the recipe has none
