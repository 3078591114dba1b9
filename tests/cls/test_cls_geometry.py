"""The crops: what is in them, how often, and what is refused."""

import numpy as np
import pytest

from mnv4_vision.cls.transforms import EvalCrop, InceptionCrop
from mnv4_vision.core.errors import InputError


def ramp(height: int, width: int) -> np.ndarray:
    """An image whose first two channels are the position, in halves of a pixel's share."""
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([255 * (x + 0.5) / width, 255 * (y + 0.5) / height, 0 * x]).astype(np.uint8)


def test_random_crops_have_the_area_and_ratio_asked_for():
    np.random.seed(0)
    crop = InceptionCrop((8, 8), area_range=(0.1, 0.6), ratio_range=(0.5, 2.0))
    drawn = np.array([crop._draw(300, 200) for _ in range(2000)], float)
    left, top, width, height = drawn.T
    assert left.min() >= 0
    assert top.min() >= 0
    assert (left + width).max() <= 300
    assert (top + height).max() <= 200
    area, ratio = width * height / 60000, width / height
    assert 0.098 < area.min() < 0.12
    assert 0.5 < area.max() < 0.61
    assert 0.48 < ratio.min() < 0.55
    assert 1.8 < ratio.max() < 2.05
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.1)  # wide as often as tall


def test_a_photo_that_no_draw_fits_gives_its_middle():
    np.random.seed(0)
    crop = InceptionCrop((8, 8), area_range=(1.0, 1.0))
    assert crop._draw(1000, 10) == (493, 0, 13, 10)
    assert crop._draw(10, 1000) == (0, 493, 10, 13)


def test_half_of_the_crops_are_mirrored():
    np.random.seed(0)
    crop = InceptionCrop((16, 16), area_range=(1.0, 1.0), ratio_range=(1.0, 1.0))
    image = ramp(64, 64)
    mirrored = 0
    for _ in range(400):
        out = crop.transform({"img": image})["img"]
        mirrored += int(out[0, 0, 0]) > int(out[0, -1, 0])
    assert mirrored == pytest.approx(200, abs=40)


def test_shrinking_averages_instead_of_skipping():
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 255  # lines that sampling every fourth pixel would take all or none of
    crop = InceptionCrop((16, 16), area_range=(1.0, 1.0), ratio_range=(1.0, 1.0), flip_prob=0)
    assert abs(int(crop.transform({"img": image})["img"].mean()) - 127) <= 1


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (97, 300), (20, 20)])
def test_evaluation_takes_the_middle(height, width):
    out = EvalCrop((64, 64), crop_pct=0.5).transform({"img": ramp(height, width)})
    assert out["img"].shape == (64, 64, 3)
    assert out["img_shape"] == (64, 64)
    middle = out["img"][31:33, 31:33, :2].mean((0, 1))
    np.testing.assert_allclose(middle, 127.5, atol=5)
    across = float(out["img"][32, -1, 0]) - float(out["img"][32, 0, 0])
    assert across == pytest.approx(255 * 0.5 * min(height, width) / width, abs=8)


def test_oblong_evaluation_covers():
    out = EvalCrop((96, 48), crop_pct=1.0).transform({"img": ramp(300, 300)})
    assert out["img"].shape == (48, 96, 3)
    assert out["img"][0, 0, 0] < 3
    assert out["img"][0, -1, 0] > 250


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InceptionCrop((0, 8)), "scale="),
        (lambda: InceptionCrop((8, 8), area_range=(0.5, 0.2)), "area_range"),
        (lambda: InceptionCrop((8, 8), ratio_range=(0, 1)), "ratio_range"),
        (lambda: InceptionCrop((8, 8), flip_prob=2), "flip_prob"),
        (lambda: EvalCrop((8, 8), crop_pct=1.5), "crop_pct"),
        (lambda: EvalCrop((8, 8), interpolation="bicubical"), "did you mean"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
