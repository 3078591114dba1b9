"""LR-ASPP, MobileNetV4-Conv-M, Cityscapes, 769 px: 7.03 M parameters, 19.22 GMACs.

    python tools/train.py configs/seg/lraspp_mnv4_conv_m_cityscapes_paper.py

The MobileNetV3 paper's recipe, from random weights; `_base_/seg/cityscapes_paper.py` says what of
it is published. Needs a GPU, or several with a smaller `--batch-size`.
Expected: Cityscapes val mIoU not trained yet (MobileNetV3-Large by this recipe: 72.36, Table 7).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.cityscapes_paper import *
    from .._base_.seg.lraspp_mnv4 import *

del default_hooks["ema"]  # the recipe has none
model.backbone.update(arch="conv_m", pretrained=None)
model.decode_head.update(num_classes=19)
