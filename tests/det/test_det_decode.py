"""The heads' predictions are mmdet's, whatever the maps hold."""

import pytest
import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

from mnv4_vision.core.engine import load_config

NUM_CLASSES = 5
SIZES = {"ssdlite": [(8, 8), (4, 4), (2, 2)], "retina": [(12, 8), (6, 4), (3, 2), (2, 1), (1, 1)]}
METAS = [
    {"img_shape": (128, 128), "scale_factor": (0.5, 0.4)},
    {"img_shape": (96, 128), "scale_factor": (2.0, 2.0)},
]


def make_head(kind: str, sigmoid: bool):
    init_default_scope("mmdet")
    cfg = load_config(f"configs/det/{kind}_mnv4_conv_s.py").model.bbox_head
    cfg.num_classes = NUM_CLASSES
    if kind == "ssdlite":
        cfg.in_channels = cfg.in_channels[:3]
        cfg.anchor_generator.update(strides=[16, 32, 64], image_size=(128, 128))
        if sigmoid:
            cfg.loss_cls = dict(type="FocalLoss", use_sigmoid=True)
    test_cfg = load_config(f"configs/det/{kind}_mnv4_conv_s.py").model.test_cfg
    return MODELS.build(dict(cfg, train_cfg=None, test_cfg=test_cfg)).eval()


@pytest.fixture(
    scope="module", params=[("ssdlite", False), ("ssdlite", True), ("retina", True)], ids=str
)
def head(request):
    head = make_head(*request.param)
    head.sizes = SIZES[request.param[0]]
    return head


def make_maps(head, spread: float, shift: float, ties: bool = False):
    """Return logits and deltas of both images; `shift` raises every class."""
    random = torch.Generator().manual_seed(0)

    def maps(channels: int) -> list[torch.Tensor]:
        return [
            torch.randn(len(METAS), num * channels, *size, generator=random)
            for size, num in zip(head.sizes, head.prior_generator.num_base_priors, strict=True)
        ]

    logits, deltas = maps(head.cls_out_channels), maps(4)
    for level in logits:
        level.mul_(spread)
        classes = level.unflatten(1, (-1, head.cls_out_channels))[:, :, :NUM_CLASSES]
        classes.add_(shift)
        if ties:
            level.round_()
    return logits, [level / 2 for level in deltas]


def assert_same(head, maps, **options) -> int:
    """Compare with mmdet's implementation; return the number of detections."""
    found = head.predict_by_feat(*maps, batch_img_metas=METAS, **options)
    expected = BaseDenseHead.predict_by_feat(head, *maps, batch_img_metas=METAS, **options)
    for ours, theirs in zip(found, expected, strict=True):
        assert sorted(ours.keys()) == sorted(theirs.keys())
        for key in theirs.keys():  # noqa: SIM118 - InstanceData is no dict
            torch.testing.assert_close(ours[key], theirs[key], rtol=1e-6, atol=0)
    return sum(map(len, found))


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("with_nms", [False, True])
def test_few_candidates(head, rescale, with_nms):
    count = assert_same(head, make_maps(head, 2.0, -10.0), rescale=rescale, with_nms=with_nms)
    assert 0 < count < 150


def test_no_candidates(head):
    assert assert_same(head, make_maps(head, 0.1, -20.0)) == 0


@pytest.mark.parametrize("threshold", [0, 0.05, 0.3])
def test_all_anchors_are_candidates(head, threshold):
    """More than `nms_pre` on a level, more than `max_per_img` in the end."""
    cfg = ConfigDict(head.test_cfg, score_thr=threshold, nms_pre=50, max_per_img=30)
    assert assert_same(head, make_maps(head, 1.0, 9.0), cfg=cfg) == 2 * 30


def test_equal_scores(head):
    assert assert_same(head, make_maps(head, 1.5, -1.0, ties=True)) > 20


def test_scores_next_to_the_threshold(head):
    """The first test may not decide: a threshold that is one of the scores must exclude it."""
    maps = make_maps(head, 2.0, -3.0)
    scores = torch.cat([p.scores for p in head.predict_by_feat(*maps, batch_img_metas=METAS)])
    threshold = scores.sort().values[len(scores) // 2].item()
    cfg = ConfigDict(head.test_cfg, score_thr=threshold)
    assert 0 < assert_same(head, maps, cfg=cfg) < len(scores)


def test_small_boxes_and_soft_nms(head):
    nms = dict(type="soft_nms", iou_threshold=0.3, min_score=0.01)
    cfg = ConfigDict(head.test_cfg, min_bbox_size=40, nms=nms)
    maps = make_maps(head, 2.0, -3.0)
    assert 0 < assert_same(head, maps, cfg=cfg) < assert_same(head, maps)


def test_bfloat16_and_not_a_number(head):
    logits, deltas = make_maps(head, 2.0, -4.0)
    logits[0][0, :3, 0, 0] = torch.nan
    assert assert_same(head, (logits, deltas)) > 0
    half = [[level.bfloat16() for level in maps] for maps in (logits, deltas)]
    assert assert_same(head, half) > 0


def test_anchors_follow_the_size(head):
    maps = make_maps(head, 2.0, -4.0)
    assert_same(head, maps)
    first = head._known_priors[1]
    assert_same(head, maps)
    assert head._known_priors[1] is first
    assert_same(head, [[level[..., :-1] if level.shape[-1] > 1 else level for level in kind]
                       for kind in maps])  # fmt: skip
    assert len(head._known_priors[1][0]) < len(first[0])
