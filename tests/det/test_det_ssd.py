"""SSD and SSDLite: levels and anchors follow backbone and image, losses are SSD's or chosen."""

import copy

import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from mnv4_vision.core.backbones import deploy
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import pipelines_of
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_macs, count_params
from mnv4_vision.det import ScaledSSDAnchors, SSDExtraLevels

# Parameters and MACs at 320 px, 80 classes.
SIZES = {
    "ssdlite_mnv4_conv_s": (2_234_004, 0.407e9),
    "ssdlite_mnv4_conv_m": (8_187_524, 1.728e9),
    "ssdlite_mnv4_conv_l": (31_035_868, 4.472e9),
    "ssdlite_mnv4_hybrid_m": (9_546_660, 2.063e9),
    "ssdlite_mnv4_hybrid_l": (36_209_628, 5.328e9),
    "ssd_mnv4_conv_s": (9_449_876, 0.710e9),
}


def prepare(name, image_size=None, **cfg_options):
    options = RunOptions(
        config=f"configs/det/{name}.py",
        image_size=image_size,
        pretrained="none",
        cfg_options={key.replace("__", "."): value for key, value in cfg_options.items()},
    )
    cfg, _ = prepare_config(options, splits=())
    init_default_scope("mmdet")
    return cfg


def build(name, image_size=None, device="cpu", **cfg_options):
    cfg = prepare(name, image_size, **cfg_options)
    with torch.device(device):
        model = MODELS.build(cfg.model)
    if device == "cpu":
        model.init_weights()
    return model


def batch(boxes_of_images, size=160):
    """Return images and samples; every box is (x1, y1, x2, y2, label)."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(len(boxes_of_images), 3, size, size, generator=generator)
    samples = []
    for boxes in boxes_of_images:
        rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5)
        shapes = dict(img_shape=(size, size), pad_shape=(size, size), scale_factor=(1.0, 1.0))
        sample = DetDataSample(metainfo=dict(shapes, ori_shape=(size, size), img_id=0))
        sample.gt_instances = InstanceData(bboxes=rows[:, :4], labels=rows[:, 4].long())
        samples.append(sample)
    return images, samples


def total(losses):
    return sum(sum(value) for value in losses.values())


TWO_IMAGES = ([(10, 12, 70, 80, 0), (90, 90, 110, 108, 2)], [(30, 40, 150, 150, 1)])


@pytest.mark.parametrize("name", SIZES)
def test_parameters_and_macs(name):
    model = build(name, device="meta")
    params, macs = SIZES[name]
    assert count_params(model) == params
    assert count_macs(model, 320) == pytest.approx(macs, rel=1e-3)


def test_anchors_at_320_are_the_published_ones():
    anchors = ScaledSSDAnchors((320, 320))
    # Typed in mmdet's ssdlite_mobilenetv2-scratch config, to whole pixels.
    typed = zip([48, 100, 150, 202, 253, 304], [16, 32, 64, 107, 160, 320], strict=True)
    for level, (size, stride) in enumerate(typed):
        assert anchors.strides[level] == pytest.approx((stride, stride), abs=0.4)
        widths = anchors.base_anchors[level][:, 2] - anchors.base_anchors[level][:, 0]
        upper = 320 * (0.15 + 0.16 * (level + 1)) if level < 5 else 320
        size_exact = 320 * (0.15 + 0.16 * level)
        assert size_exact == pytest.approx(size, abs=0.8)
        expected = [1, (upper / size_exact) ** 0.5, 2**0.5, 0.5**0.5, 3**0.5, (1 / 3) ** 0.5]
        assert (widths / size_exact).tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("size", [(320, 320), (300, 300), (200, 128)])
def test_anchors_are_spread_evenly_over_the_image(size):
    neck = SSDExtraLevels([8, 16], use_depthwise=True).eval()
    width, height = size
    taps = [torch.zeros(1, c, -(-height // s), -(-width // s)) for c, s in ((8, 16), (16, 32))]
    maps = neck(taps)
    priors = ScaledSSDAnchors(size).grid_priors([m.shape[-2:] for m in maps], device="cpu")
    for level, level_map in zip(priors, maps, strict=True):
        centres = ((level[:, :2] + level[:, 2:]) / 2).reshape(*level_map.shape[-2:], 6, 2)
        first, last = centres[0, 0, 0], centres[-1, -1, 0]
        torch.testing.assert_close(first + last, torch.tensor([width, height]).float())
        assert (first > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(image_size=(320, 96)), "320x96: SSD needs at least 128 px"),
        (dict(size_range=(0.5, 0.2)), "size_range"),
        (dict(strides=(8, 16)), "two levels"),
    ],
)
def test_impossible_anchors_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ScaledSSDAnchors(**arguments)


def test_image_size_and_taps_reach_the_head():
    cfg = prepare("ssdlite_mnv4_conv_s", 192, model__backbone__out_indices=[2, 3, 4])
    head = cfg.model.bbox_head
    assert head.in_channels == [64, 96, 128, 512, 256, 256, 128]
    assert head.anchor_generator.strides == [8, 16, 32, 64, 128, 256, 512]
    anchors = TASK_UTILS.build(head.anchor_generator)
    assert anchors.base_sizes[:2] == pytest.approx([192 * 0.075, 192 * 0.15])
    for pipeline in pipelines_of(cfg):
        sizes = {step[k] for step in pipeline for k in ("scale", "crop_size", "size") if k in step}
        assert sizes == {(192, 192)}


def test_default_pipelines_have_the_image_size():
    cfg = prepare("ssdlite_mnv4_conv_s")
    assert cfg.image_size == cfg.model.bbox_head.anchor_generator.image_size == (320, 320)
    for pipeline in pipelines_of(cfg):
        sizes = {step[k] for step in pipeline for k in ("scale", "crop_size", "size") if k in step}
        assert sizes == {(320, 320)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(train_dataloader__batch_size=1), "batch size 1: .* use --batch-size 2"),
        (dict(model__neck__extra_channels=[]), "extra_channels is empty"),
    ],
)
def test_what_the_levels_cannot_do_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        prepare("ssdlite_mnv4_conv_s", **options)


def test_focal_loss_has_no_background_class_also_without_saying_so():
    loss = dict(type="FocalLoss", gamma=2.0)  # `use_sigmoid` is its default
    head = build("ssdlite_mnv4_conv_s", model__bbox_head__loss_cls=loss, device="meta").bbox_head
    assert head.use_sigmoid_cls
    assert head.cls_out_channels == 80


def test_image_too_small_is_refused_when_the_run_is_prepared():
    with pytest.raises(InputError, match="96x96"):
        prepare("ssdlite_mnv4_conv_s", 96)


def test_expanded_tap_is_960_wide():
    cfg = prepare("ssdlite_mnv4_conv_s", model__neck__expand_last=960)
    assert cfg.model.bbox_head.in_channels[:3] == [96, 960, 512]
    assert cfg.model.neck.in_channels == [96, 128]


@pytest.mark.parametrize("name", ["ssdlite_mnv4_conv_s", "ssdlite_mnv4_conv_s_scratch"])
def test_classes_follow_and_every_parameter_gets_a_gradient(name):
    model = build(name, 160, model__bbox_head__num_classes=3)
    background = model.bbox_head.loss_cls is None
    assert model.bbox_head.cls_convs[0][-1].out_channels == 6 * (3 + background)
    # An object on an anchor of every level, as the box predictor of a level without gets nothing.
    sides = [-(-160 // stride) for stride in (8, 16, 32, 64, 128, 256, 512)]
    anchors = model.bbox_head.prior_generator
    grids = anchors.grid_priors([(n, n) for n in sides[-anchors.num_levels :]], device="cpu")
    boxes = [(*grid[0].tolist(), 1) for grid in grids]
    total(model.train()(*batch([boxes, boxes]), mode="loss")).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize("name", ["ssd_mnv4_conv_s", "ssdlite_mnv4_conv_s_scratch"])
def test_loss_falls_and_images_without_objects_are_fine(name):
    torch.manual_seed(0)
    model = build(name, 160, model__bbox_head__num_classes=3).train()
    empty = model(*batch([(), ()]), mode="loss")
    assert torch.isfinite(total(empty))
    assert sum(empty["loss_cls"]) > 0
    assert sum(empty["loss_bbox"]) == 0
    images, samples = batch(TWO_IMAGES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(16):
        losses.append(total(model(images, copy.deepcopy(samples), mode="loss")))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.75 * losses[0]  # 0.4 to 0.6 with any seed


def test_default_loss_is_that_of_mmdet():
    cfg = prepare("ssdlite_mnv4_conv_s", 160, model__bbox_head__num_classes=3)
    model = MODELS.build(cfg.model)
    reference = MODELS.get("SSDHead")(
        num_classes=3,
        in_channels=cfg.model.bbox_head.in_channels,
        use_depthwise=True,
        norm_cfg=dict(type="BN"),
        act_cfg=dict(type="ReLU"),
        anchor_generator=cfg.model.bbox_head.anchor_generator,
        bbox_coder=cfg.model.bbox_head.bbox_coder,
        train_cfg=dict(cfg.model.train_cfg, smoothl1_beta=1.0),
    )
    reference.load_state_dict(model.bbox_head.state_dict())
    images, samples = batch(TWO_IMAGES)
    maps = model.train().extract_feat(images)
    ours, theirs = (head.train().loss(maps, samples) for head in (model.bbox_head, reference))
    for key, value in theirs.items():
        assert sum(ours[key]).item() == pytest.approx(sum(value).item(), rel=1e-5)


@torch.inference_mode()
def test_mmdets_own_model_predicts():
    model = build("ssdlite_mobilenetv2_scratch").eval()
    model.test_cfg.score_thr = 0.0  # untrained scores are all near 1 / 81
    found = model(*batch(TWO_IMAGES[:1], 320), mode="predict")[0].pred_instances
    assert len(found) == model.test_cfg.max_per_img
    assert found.scores == pytest.approx(1 / 81, rel=0.1)


@torch.inference_mode()
def test_deployed_detector_computes_the_same():
    model = build("ssdlite_mnv4_conv_s_scratch", 160)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:  # as after training: idle statistics would hide a wrong fold
        nn.init.uniform_(norm.weight, 0.4, 0.8)
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    model.train()(torch.randn(4, 3, 160, 160), mode="tensor")
    for norm in norms:  # a channel that hardly moved would amplify rounding without bound
        norm.running_var.clamp_(min=norm.running_var.mean())
    model.eval()
    deployed = deploy(model)
    assert not [m for m in deployed.modules() if isinstance(m, nn.BatchNorm2d)]
    image = torch.randn(1, 3, 160, 160)
    for maps, expected in zip(
        deployed(image, mode="tensor"), model(image, mode="tensor"), strict=True
    ):
        for level, reference in zip(maps, expected, strict=True):
            spread = reference.std().item()
            assert spread > 0
            torch.testing.assert_close(level, reference, rtol=1e-4, atol=1e-3 * spread)
