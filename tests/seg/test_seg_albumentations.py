"""albumentations with label maps: they follow the image, and what is beyond it has no class."""

import cv2
import numpy as np
import pytest

from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.transforms.albumentations import Albumentations

SIZE = (90, 120)


def sample() -> dict:
    """A photo whose pixel values tell the class: `value = 40 + 50 * label`, in one channel each."""
    labels = np.zeros(SIZE, np.uint8)
    labels[20:60, 30:80] = 1
    labels[50:80, 90:115] = 2
    image = np.repeat((40 + 50 * labels)[..., None], 3, 2)
    return dict(img=image, gt_seg_map=labels, img_shape=SIZE)


GEOMETRIC = {
    "flip": dict(type="HorizontalFlip", p=1.0),
    "rotate": dict(type="Rotate", limit=(25, 25), interpolation=0, p=1.0),
    "affine": dict(type="Affine", scale=0.6, shear=8, interpolation=0, p=1.0),
    "crop": dict(type="RandomCrop", height=50, width=60, p=1.0),
    "resize": dict(type="Resize", height=60, width=80, interpolation=0, p=1.0),
    "pad": dict(type="PadIfNeeded", min_height=128, min_width=128, p=1.0),
    "one of": dict(type="OneOf", transforms=[dict(type="Rotate", limit=(40, 40))], p=1.0),
}


@pytest.mark.parametrize("name", GEOMETRIC)
def test_labels_are_where_their_pixels_are(name):
    np.random.seed(3)
    results = Albumentations([GEOMETRIC[name]])(sample())
    labels, image = results["gt_seg_map"], results["img"][..., 0].astype(int)
    assert results["img_shape"] == labels.shape == image.shape
    assert labels.dtype == np.uint8
    inside = labels != 255
    agree = np.abs(image - (40 + 50 * labels.astype(int)))[inside] < 25  # nearest of three values
    assert agree.mean() > 0.98
    assert {0, 1} <= set(np.unique(labels[inside]))
    beyond = name in ("rotate", "affine", "pad", "one of")
    assert (~inside).any() == beyond
    assert (image[~inside] < 25).all()


def test_labels_equal_a_direct_computation():
    results = Albumentations([GEOMETRIC["flip"]])(sample())
    np.testing.assert_array_equal(results["gt_seg_map"], sample()["gt_seg_map"][:, ::-1])
    crop = dict(type="Crop", x_min=20, y_min=10, x_max=100, y_max=70, p=1.0)
    results = Albumentations([crop])(sample())
    np.testing.assert_array_equal(results["gt_seg_map"], sample()["gt_seg_map"][10:70, 20:100])


def test_config_decides_about_the_fill_and_holes_keep_their_labels():
    background = dict(GEOMETRIC["rotate"], fill_mask=0)
    assert 255 not in Albumentations([background])(sample())["gt_seg_map"]
    side = dict(hole_height_range=(20, 20), hole_width_range=(20, 20))
    holes = dict(type="CoarseDropout", num_holes_range=(4, 4), **side, p=1.0)
    results = Albumentations([holes])(sample())
    assert (results["img"] == 0).any()
    np.testing.assert_array_equal(results["gt_seg_map"], sample()["gt_seg_map"])


def test_colour_leaves_labels_alone_and_sees_rgb():
    colours = sample()
    colours["img"][..., 0] = 200  # blue
    expected = cv2.cvtColor(colours["img"], cv2.COLOR_BGR2GRAY)
    grey = Albumentations([dict(type="ToGray", p=1.0)])(dict(colours))
    np.testing.assert_allclose(grey["img"][..., 0], expected, atol=1)
    assert grey["gt_seg_map"] is colours["gt_seg_map"]


def test_draws_come_from_numpy_and_images_without_labels_pass():
    transform = Albumentations([dict(type="Rotate", limit=30, p=0.5), dict(type="ToGray", p=0.5)])

    def drawn(seed: int) -> list[np.ndarray]:
        np.random.seed(seed)
        return [transform(sample())["gt_seg_map"] for _ in range(6)]

    for first, again in zip(drawn(1), drawn(1), strict=True):
        np.testing.assert_array_equal(first, again)
    assert any((a != b).any() for a, b in zip(drawn(1), drawn(2), strict=True))
    assert "gt_seg_map" not in transform({"img": sample()["img"]})


def test_misspelt_transform_is_named():
    with pytest.raises(InputError, match="did you mean 'Rotate'"):
        Albumentations([dict(type="Rotat")])
