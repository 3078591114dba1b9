"""DeepLabV3+, MobileNetV4-Conv-M, ADE20K, 512 px: 8.02 M parameters, 11.83 GMACs.

    torchrun --nproc-per-node 4 tools/train.py \
        configs/seg/deeplabv3plus_mnv4_conv_m_ade20k_160k.py --launcher pytorch --batch-size 4

mmseg's 160k recipe, batch 16, with its auxiliary head; needs a GPU, or several as above.
Expected: ADE20K val mIoU not trained yet (mmseg's MobileNetV2-D8 by this recipe: 34.02).
"""

from mmengine.config import read_base

with read_base():
    from .._base_.runtime import *
    from .._base_.seg.ade20k_160k import *
    from .._base_.seg.auxiliary import *
    from .._base_.seg.deeplabv3plus_mnv4 import *

del default_hooks["ema"]  # the recipe has none
model.backbone.update(arch="conv_m", pretrained="conv_m.e500_r256_in1k")
