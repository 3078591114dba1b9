"""The most likely class at every pixel, from logits of a coarser grid, without finer logits.

Bilinear interpolation is a convex combination of four corners, so a class that is the largest at
all of them is the largest between them: only where corners disagree is anything interpolated.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Span", "interpolated_argmax"]

# Peak memory stays a few MB on a CPU, where such a chunk fits the cache: 2048 pixels of 150
# classes. A GPU takes larger ones, or launching kernels would take longer than running them.
CHUNK_VALUES = {"cpu": 300_000}
CHUNK_VALUES_ELSEWHERE = 16_000_000
BAND_PIXELS = 1 << 20


class Span(NamedTuple):
    """The part of a padded side, in pixels, that the output shows.

    Attributes:
        start: First pixel.
        length: Number of pixels.
        whole: Length of the padded side, which the logits cover.
    """

    start: int
    length: int
    whole: int


class _Axis(NamedTuple):
    """Where the pixels of one output side lie between the input's: `low + weight`."""

    low: Tensor
    high: Tensor
    weight: Tensor


def interpolated_argmax(
    logits: Tensor,
    size: tuple[int, int],
    *,
    align_corners: bool = False,
    spans: tuple[Span, Span] | None = None,
) -> Tensor:
    """Return `interpolate(logits, size, mode="bilinear").argmax(1)` in little memory.

    The same labels, except where two classes tie within float32 rounding; of equal ones the first
    wins. Any factor of enlargement or reduction. While it is exported, compiled or traced it is
    literally those two operations, whose shapes do not depend on the data.

    Args:
        logits: `(B, C, h, w)`; fastest in channels-last layout.
        size: `(H, W)` of the labels.
        align_corners: As in `torch.nn.functional.interpolate`.
        spans: Rows and columns of the padded image that `size` shows; by default all that `logits`
            cover.

    Returns:
        `(B, H, W)` labels, uint8 for up to 255 classes, else int64.
    """
    if spans is None and (torch.compiler.is_compiling() or torch.jit.is_tracing()):
        logits = functional.interpolate(logits, size, mode="bilinear", align_corners=align_corners)
        return logits.argmax(1)
    lows = logits.shape[2:]
    axes = [
        _axis(low, out, align_corners, span, logits.device)
        for low, out, span in zip(lows, size, spans or (None, None), strict=True)
    ]
    logits = logits.contiguous(memory_format=torch.channels_last)
    return torch.stack([_argmax(image, *axes) for image in logits])


def _argmax(logits: Tensor, rows: _Axis, columns: _Axis) -> Tensor:
    """Map `(C, h, w)` to labels `(H, W)`."""
    classes, height, width = logits.shape
    values = logits.permute(1, 2, 0).view(height * width, classes)
    dtype = torch.uint8 if classes <= 255 else torch.long
    best = values.argmax(1).view(height, width).to(dtype)
    mixed = _corners_differ(best)
    labels = best.new_empty(len(rows.low), len(columns.low))
    for band in _ranges(len(labels), max(1, BAND_PIXELS // labels.shape[1])):
        low = rows.low[band]
        labels[band] = best[low][:, columns.low]
        y, x = mixed[low][:, columns.low].nonzero(as_tuple=True)
        y += band.start
        limit = CHUNK_VALUES.get(logits.device.type, CHUNK_VALUES_ELSEWHERE)
        for part in _ranges(len(y), max(1, limit // classes)):
            place = y[part], x[part]
            labels[place] = _argmax_at(values, width, rows, columns, place).to(dtype)
    return labels


def _argmax_at(
    values: Tensor, width: int, rows: _Axis, columns: _Axis, place: tuple[Tensor, Tensor]
) -> Tensor:
    """Interpolate `values`, `(h * w, C)`, at N pixels and return their labels `(N,)`."""
    y, x = place
    top, bottom = rows.low[y] * width, rows.high[y] * width
    left, right = columns.low[x], columns.high[x]
    across, down = columns.weight[x, None], rows.weight[y, None]

    def at(row: Tensor, column: Tensor) -> Tensor:
        return values.index_select(0, row + column).to(across.dtype)

    upper = at(top, left).lerp_(at(top, right), across)
    lower = at(bottom, left).lerp_(at(bottom, right), across)
    return upper.lerp_(lower, down).argmax(1)


def _corners_differ(best: Tensor) -> Tensor:
    """Return for each pixel `(h, w)` whether it, the next ones or the one across differ."""
    right = torch.cat([best[:, 1:], best[:, -1:]], 1)
    equal = best == right
    equal_below = torch.cat([equal[1:], equal[-1:]])
    below = torch.cat([best[1:], best[-1:]])
    return ~(equal & equal_below & (best == below))


def _axis(
    low: int, out: int, align_corners: bool, span: Span | None, device: torch.device
) -> _Axis:
    position = torch.arange(out, dtype=torch.float32, device=device)
    if span is None:
        position = _scale(position, out, low, align_corners)
    else:
        inside = _scale(position, out, span.length, align_corners).clamp_(max=span.length - 1)
        position = _scale(inside + span.start, span.whole, low, align_corners)
    first = position.long().clamp_(max=low - 1)
    return _Axis(first, (first + 1).clamp_(max=low - 1), position - first)


def _scale(position: Tensor, size: int, new_size: int, align_corners: bool) -> Tensor:
    """Move positions from a grid to another one, in the arithmetic of torch's `interpolate`."""
    if align_corners:
        return position * ((new_size - 1) / (size - 1) if size > 1 else 0.0)
    return ((position + 0.5) * (new_size / size) - 0.5).clamp_(min=0)


def _ranges(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
