"""Labels without full-resolution logits are those of the full-resolution logits."""

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from mnv4_vision.seg.models.argmax import Span, interpolated_argmax


def make_logits(classes: int, height: int, width: int, noise: float = 0.2) -> torch.Tensor:
    """Areas of one class, with noisy borders; a batch of two."""
    generator = torch.Generator().manual_seed(classes)
    coarse = torch.randn(2, classes, 5, 6, generator=generator)
    logits = functional.interpolate(coarse, (height, width), mode="bicubic")
    return logits + noise * torch.randn(logits.shape, generator=generator)


def plain(logits, size, align_corners=False):
    return functional.interpolate(
        logits, size, mode="bilinear", align_corners=align_corners
    ).argmax(1)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(96, 128), (77, 201), (24, 32), (10, 7), (1, 1), (5, 200)])
def test_equals_interpolation_and_argmax(size, align_corners):
    logits = make_logits(20, 24, 32)
    expected = plain(logits, size, align_corners)
    for layout in (torch.contiguous_format, torch.channels_last):
        labels = interpolated_argmax(
            logits.contiguous(memory_format=layout), size, align_corners=align_corners
        )
        assert labels.dtype == torch.uint8
        assert torch.equal(labels.long(), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_single_rows_and_columns(shape):
    logits = make_logits(4, *shape)
    for align_corners in (False, True):
        expected = plain(logits, (6, 11), align_corners)
        labels = interpolated_argmax(logits, (6, 11), align_corners=align_corners)
        assert torch.equal(labels.long(), expected)


def test_noise_without_areas():
    logits = torch.randn(1, 150, 32, 32, generator=torch.Generator().manual_seed(0))
    labels, expected = interpolated_argmax(logits, (128, 128)), plain(logits, (128, 128))
    different = labels != expected
    # torch's own two layouts differ as much: two classes tie within float32 rounding there.
    assert different.float().mean() <= 1e-4
    values = functional.interpolate(logits.double(), (128, 128), mode="bilinear")
    mine, theirs = (values.gather(1, x.long()[:, None])[:, 0] for x in (labels, expected))
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_a_class_that_wins_at_no_corner_wins_between_them():
    corners = torch.tensor([[3.0, 0.0, 2.0], [0.0, 3.0, 2.0]]).T.reshape(1, 3, 1, 2)
    assert interpolated_argmax(corners, (1, 10)).flatten().tolist() == [0] * 4 + [2] * 2 + [1] * 4


def test_of_equal_classes_the_first_wins():
    assert not interpolated_argmax(torch.zeros(1, 3, 4, 4), (9, 9)).any()


def test_many_classes_and_half_precision():
    logits = make_logits(300, 8, 8)
    labels = interpolated_argmax(logits, (32, 32))
    assert labels.dtype == torch.long
    assert torch.equal(labels, plain(logits, (32, 32)))
    half = logits[:, :20].bfloat16()
    expected = plain(half.float(), (32, 32))  # weights and sums in float32
    assert torch.equal(interpolated_argmax(half, (32, 32)).long(), expected)


@pytest.mark.parametrize("size", [(40, 52), (95, 61)])
def test_padding_is_left_out(size):
    logits = make_logits(6, 12, 16)
    inside = functional.interpolate(logits, (48, 64), mode="bilinear")[:, :, 3:43, 5:57]
    expected = functional.interpolate(inside, size, mode="bilinear").argmax(1)
    spans = (Span(3, 40, 48), Span(5, 52, 64))
    labels = interpolated_argmax(logits, size, spans=spans)
    agree = (labels == expected).float().mean()
    assert agree == 1 if size == (40, 52) else agree > 0.99  # else mmseg's second interpolation


class LargestResult(TorchDispatchMode):
    """Notes the bytes of the largest tensor that an operator returns."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return result


def test_memory_follows_the_coarse_logits():
    logits = make_logits(150, 32, 32)[:1].contiguous(memory_format=torch.channels_last)
    with LargestResult() as largest:
        interpolated_argmax(logits, (512, 512))
    assert largest.bytes < 8 * 2**20 < 150 * 512 * 512 * 4 / 18
    with LargestResult() as largest:
        plain(logits, (512, 512))
    assert largest.bytes == 150 * 512 * 512 * 4


class Labels(torch.nn.Module):
    def forward(self, logits):
        return interpolated_argmax(logits, (40, 52))


def test_a_trace_is_right_for_other_logits():
    logits = make_logits(6, 12, 16)
    traced = torch.jit.trace(Labels(), logits)
    assert torch.equal(traced(logits.flip(1)), plain(logits.flip(1), (40, 52)))


def test_exports_with_static_shapes():
    logits = make_logits(6, 12, 16)
    program = torch.export.export(Labels(), (logits,))
    assert not any("nonzero" in str(node.target) for node in program.graph.nodes)
    assert torch.equal(program.module()(logits), plain(logits, (40, 52)))
