"""MobileOne in a whole detector and segmenter: trained with branches, run without, the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mnv4_vision.core.backbones import deploy
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.measure import count_params
from mnv4_vision.core.model_table import measure_detector
from mnv4_vision.det import Detector
from mnv4_vision.seg import Segmenter

pytest.importorskip("timm")

ROOT = Path(__file__).resolve().parents[2]
SSDLITE = ROOT / "configs/det/ssdlite_mobileone_s1.py"
DEEPLAB = ROOT / "configs/seg/deeplabv3_mobileone_s4.py"
SIDE = 128


def trained(path, tmp_path):
    """Return a leaf's config, a model whose norms have met images, and its checkpoint."""
    options = RunOptions(
        config=str(path), backbone="mobileone_s0", pretrained="none", image_size=SIDE
    )
    cfg, _ = prepare_config(options, splits=())
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.4, 0.8)
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 3, SIDE, SIDE), mode="tensor")
    for norm in norms:  # a channel that hardly moved would amplify rounding without bound
        norm.running_var.clamp_(min=norm.running_var.mean())
    for layer in spreading(model):
        nn.init.normal_(layer.weight, std=0.2)
    head = cfg.model.get("bbox_head") or cfg.model.decode_head
    meta = {"dataset_meta": {"classes": [str(i) for i in range(head.num_classes)]}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, tmp_path / "epoch_1.pth")
    return cfg, model.eval(), tmp_path / "epoch_1.pth"


def spreading(model):
    """Return the last layers of the classes, which start near zero."""
    if hasattr(model, "bbox_head"):
        return [branch[-1] for branch in model.bbox_head.cls_convs]
    return [model.decode_head.conv_seg]


def photo():
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def check_branches_are_gone(deployed, model):
    assert any("conv_kxk" in name for name, _ in model.named_modules())
    assert not any("conv_kxk" in name for name, _ in deployed.named_modules())
    assert count_params(deployed.backbone) == count_params(deploy(model.backbone))
    assert count_params(deployed.backbone) < count_params(model.backbone) / 3


@torch.inference_mode()
def test_detector_finds_the_same(tmp_path):
    cfg, model, checkpoint = trained(SSDLITE, tmp_path)
    detector = Detector(cfg, checkpoint, score_threshold=0.0)
    check_branches_are_gone(detector.model, model)
    batch = detector._network_input(photo())
    raw = zip(
        detector.model(batch["inputs"], mode="tensor"),
        model(batch["inputs"], mode="tensor"),
        strict=True,
    )
    for levels, expected in raw:
        for level, reference in zip(levels, expected, strict=True):
            atol = 1e-3 * reference.std().item()
            torch.testing.assert_close(level, reference, rtol=0, atol=atol)
    reference = model(**detector._network_input(photo()), mode="predict")[0].pred_instances
    found = detector.detect(photo())
    scores = reference.scores.sort(descending=True).values.numpy()
    assert len(scores) > 50
    np.testing.assert_allclose(found.scores, scores, atol=1e-3)


@torch.inference_mode()
def test_segmenter_labels_the_same(tmp_path):
    cfg, model, checkpoint = trained(DEEPLAB, tmp_path)
    segmenter = Segmenter(cfg, checkpoint)
    check_branches_are_gone(segmenter.model, model)
    inputs = segmenter._network_input(photo())["inputs"]
    logits = model(inputs, mode="tensor")
    torch.testing.assert_close(
        segmenter.model(inputs, mode="tensor"), logits, rtol=0, atol=1e-3 * logits.std().item()
    )
    (sample,) = model(**segmenter._network_input(photo()), mode="predict")
    expected = sample.pred_sem_seg.data[0].numpy()
    assert len(np.unique(expected)) > 3
    assert (segmenter.segment(photo()).labels == expected).mean() > 0.999


def test_the_table_counts_the_joined_form():
    cfg, _ = prepare_config(RunOptions(config=str(SSDLITE), pretrained="none"), splits=())
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        branched = MODELS.build(cfg.model)
    # the classifier has 4.83 M parameters with branches, 4.765 M without
    saved = count_params(branched) - measure_detector(SSDLITE).params
    assert saved / 1e6 == pytest.approx(4.83 - 4.765, abs=0.01)
