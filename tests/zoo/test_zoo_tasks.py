"""Every backbone of the zoo in every task, put in by `--backbone`: it trains and predicts."""

from pathlib import Path

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample

from mnv4_vision.core.classification import ClassSample
from mnv4_vision.core.engine import RunOptions, prepare_config

pytest.importorskip("timm")

ROOT = Path(__file__).resolve().parents[2]
ZOO = (
    "mobilenetv1_100",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "tf_mobilenetv3_large_minimal_100",
    "mobilenet_edgetpu_100",
    "mobilenet_edgetpu_v2_m",
    "mobileone_s0",
    "mobileone_s1",
    "mobileone_s2",
    "mobileone_s3",
    "mobileone_s4",
    "mobilenetv5_base",
    "efficientnet_b0",
)
SIDE, BATCH = 64, 2
META = dict(
    img_shape=(SIDE, SIDE),
    ori_shape=(SIDE, SIDE),
    pad_shape=(SIDE, SIDE),
    batch_input_shape=(SIDE, SIDE),
    scale_factor=(1.0, 1.0),
)


def boxes():
    truth = InstanceData(bboxes=torch.tensor([[8.0, 8, 56, 56]]), labels=torch.tensor([3]))
    return DetDataSample(metainfo=META, gt_instances=truth)


def mask():
    labels = torch.arange(SIDE * SIDE).reshape(1, SIDE, SIDE) % 150
    return SegDataSample(metainfo=META, gt_sem_seg=PixelData(data=labels))


def image_class():
    return ClassSample(gt_label=3)


TASKS = {
    "configs/det/retina_mnv4_conv_s.py": boxes,
    "configs/seg/lraspp_mnv4_conv_s.py": mask,
    "configs/cls/mnv4_conv_s_scratch.py": image_class,
}


def swapped_model(config, backbone):
    """Return the model as the tools build it for `--backbone`, and a batch of images."""
    options = RunOptions(
        config=str(ROOT / config), backbone=backbone, pretrained="none", image_size=SIDE
    )
    cfg, _ = prepare_config(options, splits=())
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    return MODELS.build(cfg.model), torch.randn(BATCH, 3, SIDE, SIDE)


def check_training_step(model, images, samples):
    """Assert a finite loss that reaches every parameter."""
    losses, _ = model.train().parse_losses(model(images, samples, mode="loss"))
    assert losses.isfinite()
    losses.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    still = [k for k, p in model.backbone.named_parameters() if not p.grad.any()]
    assert not still


@torch.inference_mode()
def check_prediction(model, images, samples):
    for found in model.eval()(images, samples, mode="predict"):
        if isinstance(found, DetDataSample):
            assert found.pred_instances.bboxes.isfinite().all()
        elif isinstance(found, SegDataSample):
            assert found.pred_sem_seg.data.shape == (1, SIDE, SIDE)
        else:
            torch.testing.assert_close(found.pred_score.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("backbone", ZOO)
@pytest.mark.parametrize("config", TASKS, ids=lambda path: path.split("/")[1])
def test_it_trains_and_predicts(config, backbone):
    model, images = swapped_model(config, backbone)
    samples = [TASKS[config]() for _ in images]
    check_training_step(model, images, samples)
    check_prediction(model, images, samples)
