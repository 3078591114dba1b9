"""The classifier's preprocessor is mmengine's, to the bit."""

import pytest
import torch
from mmengine.model import ImgDataPreprocessor

from mnv4_vision.core.classification.preprocessor import ImagePreprocessor

SETTINGS = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)


def images(*sizes: tuple[int, int], dtype=torch.uint8) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = (torch.randint(0, 256, (3, *size), generator=generator) for size in sizes)
    return [image.to(dtype) for image in drawn]


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        (SETTINGS, images((9, 7), (9, 7))),
        (SETTINGS | dict(bgr_to_rgb=False), images((9, 7))),
        (SETTINGS, images((9, 7), dtype=torch.float32)),
        (SETTINGS, images((9, 7), (5, 8))),  # padded
        (SETTINGS | dict(pad_size_divisor=8), images((9, 7), (9, 7))),
        (dict(bgr_to_rgb=True), images((4, 4))),
        (SETTINGS, torch.stack(images((4, 4), (4, 4)))),
    ],
)
def test_equals_mmengines(settings, inputs):
    kept = [image.clone() for image in inputs]
    ours, theirs = (
        kind(**settings)(dict(inputs=inputs)) for kind in (ImagePreprocessor, ImgDataPreprocessor)
    )
    assert ours.keys() == theirs.keys()
    assert ours["inputs"].dtype == torch.float32
    assert torch.equal(ours["inputs"], theirs["inputs"])
    assert all(torch.equal(a, b) for a, b in zip(inputs, kept, strict=True))  # not in place there


def test_samples_pass():
    samples = ["a", "b"]
    out = ImagePreprocessor(**SETTINGS)(dict(inputs=images((4, 4), (4, 4)), data_samples=samples))
    assert out["data_samples"] == samples
