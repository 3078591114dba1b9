import math

import mmcv.ops
import numpy as np
import pytest
import torch


def sample(feature, y, x):
    """Bilinear value of `(C, H, W)` at a point, by the rules of mmcv's kernel."""
    height, width = feature.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(feature))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    top = feature[:, y0, x0] * (1 - x + x0) + feature[:, y0, x1] * (x - x0)
    bottom = feature[:, y1, x0] * (1 - x + x0) + feature[:, y1, x1] * (x - x0)
    return top * (1 - y + y0) + bottom * (y - y0)


def reference(feature, rois, size, scale, ratio, aligned):
    output = np.zeros((len(rois), feature.shape[1], *size))
    for k, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (c * scale - 0.5 * aligned for c in corners)
        height, width = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1), max(x2 - x1, 1))
        bin_h, bin_w = height / size[0], width / size[1]
        grid_h, grid_w = ratio or math.ceil(bin_h), ratio or math.ceil(bin_w)
        for i, j in np.ndindex(*size):
            values = [
                sample(
                    feature[int(image)],
                    y1 + (i + (p + 0.5) / grid_h) * bin_h,
                    x1 + (j + (q + 0.5) / grid_w) * bin_w,
                )
                for p, q in np.ndindex(grid_h, grid_w)
            ]
            output[k, :, i, j] = np.mean(values, 0) if values else 0
    return output


ROIS = torch.tensor(
    [
        [0, 8.0, 8, 60, 50],
        [1, 0, 0, 96, 72],
        [1, -30, -20, 40, 30],  # begins outside
        [0, 70, 50, 150, 130],  # ends outside
        [0, 200, 200, 260, 240],  # wholly outside
        [1, 33.3, 21.7, 35.1, 22.2],  # smaller than a pixel of the feature
        [0, 20, 20, 20, 20],  # empty
    ],
    dtype=torch.float64,
)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_equals_the_kernel_sample_by_sample(aligned, ratio):
    random = torch.Generator().manual_seed(0)
    feature = torch.randn(2, 3, 9, 12, generator=random, dtype=torch.float64)
    pooled = mmcv.ops.roi_align(feature, ROIS, (3, 4), 0.125, ratio, "avg", aligned)
    expected = reference(feature.numpy(), ROIS.tolist(), (3, 4), 0.125, ratio, aligned)
    assert pooled.numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("aligned", [True, False])
def test_gradient(aligned):
    random = torch.Generator().manual_seed(1)
    feature = torch.randn(2, 1, 6, 7, generator=random, dtype=torch.float64, requires_grad=True)
    rois = ROIS * torch.tensor([1, 0.5, 0.5, 0.5, 0.5])
    assert torch.autograd.gradcheck(
        lambda f: mmcv.ops.roi_align(f, rois, (2, 3), 0.125, 0, "avg", aligned), feature
    )


def test_layer_in_single_precision_and_without_regions():
    feature = torch.randn(2, 3, 9, 12, generator=torch.Generator().manual_seed(2))
    layer = mmcv.ops.RoIAlign((3, 4), 0.125, 2)
    expected = reference(feature.double().numpy(), ROIS.tolist(), (3, 4), 0.125, 2, True)
    assert layer(feature, ROIS.float()).numpy() == pytest.approx(expected, abs=1e-5)
    assert layer(feature, torch.empty(0, 5)).shape == (0, 3, 3, 4)


def test_max_pooling_says_that_it_needs_compiled_operators():
    with pytest.raises(NotImplementedError, match="pool_mode='max'"):
        mmcv.ops.roi_align(torch.zeros(2, 1, 6, 6), ROIS.float(), 2, 1.0, 2, "max", True)
