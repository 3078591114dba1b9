import numpy as np
import pytest
import torch

from mnv4_vision.compat import nms as nms_module
from mnv4_vision.compat.nms import nms


def brute_force(boxes, scores, threshold, offset=0):
    """Every box against every better kept one, one at a time, in the arithmetic of the kernels."""
    boxes = boxes.numpy()
    one = boxes.dtype.type(offset)
    area = (boxes[:, 2] - boxes[:, 0] + one) * (boxes[:, 3] - boxes[:, 1] + one)
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i].item()):
        low = np.maximum(boxes[i, :2], boxes[kept, :2])
        high = np.minimum(boxes[i, 2:], boxes[kept, 2:])
        inter = np.maximum(high - low + one, 0).prod(1)
        with np.errstate(all="ignore"):
            iou = inter / (area[i] + area[kept] - inter)
        if not (iou.astype(np.float64) > threshold).any():
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def random_boxes(num, extent, random, dtype=torch.float32):
    low = torch.rand(num, 2, generator=random) * extent
    size = torch.rand(num, 2, generator=random) * 60 + 1
    return torch.cat([low, low + size], 1).to(dtype), torch.rand(num, generator=random)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 0.95, 1.0])
@pytest.mark.parametrize(("num", "extent"), [(1, 10), (30, 40), (400, 120), (700, 1000)])
def test_equals_brute_force(num, extent, threshold, offset):
    random = torch.Generator().manual_seed(num)
    boxes, scores = random_boxes(num, extent, random)
    expected = brute_force(boxes, scores, threshold, offset)
    assert nms(boxes, scores, threshold, offset).tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_give_the_float_answer(dtype):
    boxes, scores = random_boxes(200, 90, torch.Generator().manual_seed(0), dtype)
    wide = boxes if dtype == torch.float64 else boxes.float()
    assert nms(boxes, scores.to(dtype), 0.5).tolist() == (
        brute_force(wide, scores.to(dtype), 0.5).tolist()
    )


def test_integer_boxes_meet_the_threshold_exactly():
    # On a grid, many IoUs equal the threshold (1/2, 3/5), and equal boxes and scores abound.
    random = torch.Generator().manual_seed(3)
    low = torch.randint(0, 12, (600, 2), generator=random)
    size = torch.randint(0, 8, (600, 2), generator=random)
    boxes = torch.cat([low, low + size], 1).float()
    scores = torch.randint(0, 5, (600,), generator=random) / 5
    for threshold in (0.5, 0.6, float(np.float32(0.6)), 1 / 3):
        expected = brute_force(boxes, scores, threshold)
        assert nms(boxes, scores, threshold).tolist() == expected.tolist()


def test_equal_scores_keep_their_order():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    assert nms(boxes, torch.ones(3), 0.5).tolist() == [0, 2]


def test_degenerate_boxes():
    inf, nan = float("inf"), float("nan")
    boxes = torch.tensor(
        [
            [0.0, 0, 10, 10],
            [0, 0, 10, 10],  # the same again
            [5, 5, 5, 5],  # a point
            [5, 5, 5, 5],  # 0 / 0 suppresses nothing
            [9, 9, 1, 1],  # corners swapped
            [9, 9, 1, 1],
            [0, 0, inf, inf],
            [0, 0, inf, inf],
            [nan, 0, 10, 10],
            [-inf, 0, 10, 10],
        ]
    )
    scores = torch.linspace(1, 0.1, len(boxes))
    assert nms(boxes, scores, 0.5).tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert nms(boxes, scores, 0.5).tolist() == brute_force(boxes, scores, 0.5).tolist()


def test_no_boxes():
    kept = nms(torch.empty(0, 4), torch.empty(0), 0.5)
    assert kept.dtype == torch.int64
    assert kept.shape == (0,)


@pytest.mark.parametrize("block", [1, 7, 64])
@pytest.mark.parametrize("chunk", [1, 50])
def test_blocks_and_chunks_do_not_change_the_answer(monkeypatch, block, chunk):
    boxes, scores = random_boxes(150, 80, torch.Generator().manual_seed(1))
    expected = nms(boxes, scores, 0.4).tolist()
    monkeypatch.setattr(nms_module, "_BLOCK", block)
    monkeypatch.setattr(nms_module, "_CHUNK", chunk)
    assert nms(boxes, scores, 0.4).tolist() == expected


def test_more_boxes_than_a_block():
    boxes, scores = random_boxes(3000, 500, torch.Generator().manual_seed(2))
    assert nms(boxes, scores, 0.5).tolist() == brute_force(boxes, scores, 0.5).tolist()


def test_chain_in_which_every_box_overlaps_only_the_next():
    left = torch.arange(2500.0) * 3
    boxes = torch.stack([left, torch.zeros(2500), left + 10, torch.full((2500,), 10.0)], 1)
    assert nms(boxes, -left, 0.5).tolist() == list(range(0, 2500, 2))


def test_gradients_do_not_get_in_the_way():
    boxes, scores = random_boxes(20, 30, torch.Generator().manual_seed(4))
    expected = nms(boxes, scores, 0.5).tolist()
    assert nms(boxes.requires_grad_(), scores.requires_grad_(), 0.5).tolist() == expected


@pytest.mark.parametrize(
    ("boxes", "scores", "threshold", "message"),
    [
        (torch.zeros(3, 5), torch.zeros(3), 0.5, r"\(3, 5\)"),
        (torch.zeros(3, 4), torch.zeros(2), 0.5, r"\(3, 4\) and \(2,\)"),
        (torch.zeros(3, 4), torch.zeros(3), -0.1, "at least 0, got -0.1"),
    ],
)
def test_bad_input_is_named(boxes, scores, threshold, message):
    with pytest.raises(ValueError, match=message):
        nms(boxes, scores, threshold)
