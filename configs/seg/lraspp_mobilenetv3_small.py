"""LR-ASPP, MobileNetV3-Small, Cityscapes, 769 px: 0.47 M parameters, 0.76 GMACs.

    python tools/train.py configs/seg/lraspp_mobilenetv3_small.py

The paper's model and recipe, from random weights; `_base_/seg/cityscapes_paper.py` says what of it
is published. At 1024x2048 px its Table 7 has 0.47 M parameters, 2.90 G multiply-adds. Needs a GPU.
Expected: Cityscapes val mIoU not trained yet (the paper's: 68.38).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.cityscapes_paper import *
    from .._base_.seg.lraspp_mobilenetv3_paper import *

del default_hooks["ema"]  # the recipe has none
model.backbone.update(model_name="mobilenetv3_small_100")
