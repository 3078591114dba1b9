import mmcv.ops
import numpy as np
import pytest
import torch

from mnv4_vision.compat.soft_nms import soft_nms

METHODS = {"naive": 0, "linear": 1, "gaussian": 2}


def reference(boxes, scores, threshold, sigma, min_score, method, offset):
    """mmcv's kernel, element by element, with its swaps."""
    rows = [[*box, score, i] for i, (box, score) in enumerate(zip(boxes, scores, strict=True))]
    i = 0
    while i < len(rows):
        best = max(range(i, len(rows)), key=lambda k: (rows[k][4], -k))
        rows[i], rows[best] = rows[best], rows[i]
        k = i + 1
        while k < len(rows):
            a, b = rows[i], rows[k]
            width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
            height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
            inter = width * height
            union = sum((r[2] - r[0] + offset) * (r[3] - r[1] + offset) for r in (a, b)) - inter
            iou = inter / union if union else float("nan")
            if method == "gaussian":
                b[4] *= np.exp(-(iou**2) / sigma)
            elif iou >= threshold:
                b[4] *= 0 if method == "naive" else 1 - iou
            if b[4] < min_score:
                rows[k] = rows[-1]
                rows.pop()
            else:
                k += 1
        i += 1
    return np.array(rows)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("min_score", [0.0, 0.1, 0.4])
def test_equals_the_kernel_step_by_step(method, min_score, offset):
    random = np.random.default_rng(5)
    low = random.uniform(0, 60, (80, 2))
    boxes = np.hstack([low, low + random.uniform(5, 40, (80, 2))]).astype(np.float32)
    scores = random.choice([0.2, 0.5, 0.7, 0.9], 80).astype(np.float32)  # many ties
    args = (0.3, 0.5, min_score)
    expected = reference(boxes.tolist(), scores.tolist(), *args, method, offset)
    dets = torch.full((80, 5), -1.0)
    index = soft_nms(
        torch.from_numpy(boxes), torch.from_numpy(scores), dets, *args, METHODS[method], offset
    )
    assert index.tolist() == expected[:, 5].tolist()
    assert dets[: len(index)].numpy() == pytest.approx(expected[:, :5], abs=1e-4)
    assert (dets[len(index) :] == -1).all()


def test_through_mmcv():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [40, 40, 50, 50]])
    dets, index = mmcv.ops.soft_nms(boxes, torch.tensor([0.9, 0.8, 0.5]), 0.3, method="linear")
    assert index.tolist() == [0, 2, 1]
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.5, 0.8 * 0.2])
    dets, index = mmcv.ops.soft_nms(boxes[:0], torch.empty(0))
    assert dets.shape == (0, 5)
    assert index.tolist() == []
