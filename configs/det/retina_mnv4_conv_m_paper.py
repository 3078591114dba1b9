"""RetinaNet, MobileNetV4-Conv-M, COCO, 384 px: 8.19 M parameters, 4.95 GMACs.

The paper's schedule; needs a cluster.

    torchrun --nproc-per-node 8 --nnodes 8 ... tools/train.py \
        configs/det/retina_mnv4_conv_m_paper.py --launcher pytorch

Expected: COCO val2017 AP 32.6 (MobileNetV4 paper, Table 7); here not trained yet.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.det.coco import *
    from .._base_.det.paper import *
    from .._base_.det.retina_mnv4 import *
    from .._base_.runtime import *

model.merge(dict(backbone=dict(arch="conv_m", drop_path_rate=0.2)))
train_dataloader.merge(dict(batch_size=32, dataset=dict(pipeline=paper_pipeline)))
