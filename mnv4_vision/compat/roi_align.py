"""RoIAlign (Mask R-CNN, average pooling) in plain torch operations, for any device.

A bin's value is the mean over a grid of bilinear samples. Grid and interpolation are separable, so
a region is `rows @ feature @ columns.T` with two small matrices of weights.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["roi_align", "roi_align_backward"]


def roi_align(
    feature: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Pool every region to a fixed size.

    Args:
        feature: `(B, C, H, W)`.
        rois: `(K, 5)` as image index, `x1, y1, x2, y2` in input pixels.
        output_size: Bins, height and width.
        spatial_scale: Feature pixels per input pixel.
        sampling_ratio: Samples per bin and axis; 0 takes about one per feature pixel.
        aligned: Whether pixel centres are at half coordinates; else the legacy behaviour.

    Returns:
        `(K, C, *output_size)`.
    """
    output = feature.new_zeros(len(rois), feature.size(1), *output_size)
    regions = _regions(feature.shape, rois, output_size, spatial_scale, sampling_ratio, aligned)
    for k, (window, rows, columns) in enumerate(regions):
        output[k] = (rows @ feature[window].to(rows.dtype) @ columns.T).to(output.dtype)
    return output


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    grad_feature: Tensor,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Add to `grad_feature` `(B, C, H, W)` what `grad_output` `(K, C, h, w)` passes back."""
    size = (grad_output.size(2), grad_output.size(3))
    regions = _regions(grad_feature.shape, rois, size, spatial_scale, sampling_ratio, aligned)
    for k, (window, rows, columns) in enumerate(regions):
        grad = rows.T @ grad_output[k].to(rows.dtype) @ columns
        grad_feature[window] += grad.to(grad_feature.dtype)


def _regions(
    shape: torch.Size,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Iterator[tuple[tuple, Tensor, Tensor]]:
    """Yield each region's window into the feature and its row and column weights."""
    wide = rois if rois.dtype == torch.float64 else rois.float()
    corners = wide[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    axes = []
    for low, high, bins, size in zip(
        (corners[:, 1], corners[:, 0]),
        (corners[:, 3], corners[:, 2]),
        output_size,
        shape[2:],
        strict=True,
    ):
        weights = _bin_weights(low, high, bins, size, sampling_ratio, aligned)
        used = weights.sum(1) > 0
        first = used.int().argmax(1)
        last = size - used.flip(1).int().argmax(1)
        axes.append((weights, first.tolist(), last.tolist()))
    (rows, top, bottom), (columns, left, right) = axes
    for k, image in enumerate(rois[:, 0].long().tolist()):
        y, x = slice(top[k], bottom[k]), slice(left[k], right[k])
        yield (image, slice(None), y, x), rows[k, :, y], columns[k, :, x]


def _bin_weights(
    low: Tensor, high: Tensor, bins: int, size: int, sampling_ratio: int, aligned: bool
) -> Tensor:
    """Return `(K, bins, size)`: how much each feature pixel of one axis counts in each bin."""
    extent = high - low if aligned else (high - low).clamp(min=1)
    step = (extent / bins)[:, None, None]
    if sampling_ratio > 0:
        samples = torch.full_like(step, sampling_ratio)
    else:
        samples = step.ceil().clamp(min=0)
    most = int(samples.max()) if samples.numel() else 0
    sample = torch.arange(most, device=low.device)
    bin_index = torch.arange(bins, device=low.device)[:, None]
    position = low[:, None, None] + bin_index * step + (sample + 0.5) * step / samples.clamp(min=1)
    counted = (sample < samples) & (position >= -1) & (position <= size)
    share = counted / samples.clamp(min=1)
    position = position.clamp(0, size - 1)
    before = position.long()
    after = (before + 1).clamp(max=size - 1)
    fraction = position - before
    weights = position.new_zeros(len(low), bins, size)
    weights.scatter_add_(2, before, (1 - fraction) * share)
    return weights.scatter_add_(2, after, fraction * share)
