"""Photo and label map stay together through resizing, cropping, mirroring and padding."""

import numpy as np
import pytest

from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.transforms.geometry import CoverResize, RandomScaleCropFlip

WIDTH, HEIGHT = 60, 40


def sample() -> dict:
    """A photo whose channels tell where a pixel comes from, and labels of four quarters."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([x * 4, y * 6, np.zeros_like(x)], -1).astype(np.uint8)
    labels = (x >= WIDTH // 2) + 2 * (y >= HEIGHT // 2)
    return dict(img=image, gt_seg_map=labels.astype(np.uint8))


def quarters(image: np.ndarray) -> np.ndarray:
    """Labels as the pixels of `sample` tell them."""
    return (image[..., 0] >= WIDTH * 2) + 2 * (image[..., 1] >= HEIGHT * 3)


@pytest.mark.parametrize("ratio", [(1, 1), (0.4, 0.4), (2.5, 2.5), (0.5, 2.0)])
def test_labels_follow_the_pixels(ratio):
    np.random.seed(3)
    step = RandomScaleCropFlip((48, 32), ratio_range=ratio, cat_max_ratio=1.0)
    flips = set()
    for _ in range(20):
        out = step(sample())
        assert out["img"].shape == (32, 48, 3)
        assert out["gt_seg_map"].shape == (32, 48)
        inside = out["gt_seg_map"] != 255
        agree = (quarters(out["img"]) == out["gt_seg_map"])[inside]
        assert agree.mean() > 0.93  # interpolated pixels next to the quarters' borders apart
        assert (out["img"][~inside] == 114).all()
        flips.add(out["flip"])
    assert flips == {True, False}


def test_ratio_one_covers_without_padding():
    np.random.seed(0)
    out = RandomScaleCropFlip((48, 32), (1, 1), flip_prob=0)(sample())
    assert (out["gt_seg_map"] != 255).all()
    assert out["scale_factor"] == (0.8, 0.8)


def test_small_photo_is_padded_at_the_right_and_bottom():
    out = RandomScaleCropFlip((120, 80), (0.5, 0.5), flip_prob=0)(sample())
    assert np.array_equal(out["img"][:HEIGHT, :WIDTH], sample()["img"])
    assert (out["gt_seg_map"][HEIGHT:] == 255).all()
    assert (out["gt_seg_map"][:, WIDTH:] == 255).all()


def test_flip_mirrors_both():
    plain = RandomScaleCropFlip((WIDTH, HEIGHT), (1, 1), flip_prob=0, cat_max_ratio=1)(sample())
    mirrored = RandomScaleCropFlip((WIDTH, HEIGHT), (1, 1), flip_prob=1, cat_max_ratio=1)(sample())
    assert np.array_equal(mirrored["img"], plain["img"][:, ::-1])
    assert np.array_equal(mirrored["gt_seg_map"], plain["gt_seg_map"][:, ::-1])


def test_crop_is_not_all_of_one_class():
    labels = np.zeros((400, 400), np.uint8)
    labels[:, 380:] = 1
    image = np.zeros((400, 400, 3), np.uint8)

    def share_with_both(cat_max_ratio: float) -> float:
        np.random.seed(0)
        step = RandomScaleCropFlip((400, 400), (1, 1), (80, 80), cat_max_ratio)
        outs = [step(dict(img=image, gt_seg_map=labels))["gt_seg_map"] for _ in range(50)]
        return np.mean([len(np.unique(out)) == 2 for out in outs])

    assert share_with_both(0.9) > 2 * share_with_both(1.0)


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((60, 40), (60, 40), (60, 40)),
        ((60, 40), (80, 80), (120, 80)),
        ((40, 60), (30, 20), (30, 45)),
        ((60, 1), (20, 20), (80, 1)),  # not (1200, 20)
    ],
)
def test_cover_resize(size, scale, expected):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    out = CoverResize(scale)(dict(img=image))
    assert out["img"].shape[1::-1] == expected
    assert out["img_shape"] == expected[::-1]


@pytest.mark.parametrize(
    "wrong",
    [
        dict(ratio_range=(0, 1)),
        dict(cat_max_ratio=1.5),
        dict(flip_prob=-1),
        dict(crop_size=64),
        dict(scale=(0, 9)),
    ],
)
def test_wrong_values(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RandomScaleCropFlip(**dict(scale=(32, 32)) | wrong)
