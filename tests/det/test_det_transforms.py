"""Boxes follow the picture: found again by colour; our steps equal mmdet's, to the bit."""

import random

import albumentations
import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import RandomResize
from mmdet.datasets.transforms import (
    LoadAnnotations,
    PackDetInputs,
    RandomCrop,
    RandomFlip,
)
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import init_default_scope

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.albumentations import FastHueSaturationValue
from mnv4_vision.det import Albumentations, PackBoxes, ResizeCropFlip

COLOURS = np.uint8([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)])
BOXES = np.float32(
    [(10, 20, 60, 50), (100, 10, 140, 90), (150, 100, 199, 149), (0, 80, 30, 150),
     (70, 100, 90, 120)]
)  # fmt: skip


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmdet")


def sample(box_type=HorizontalBoxes) -> dict:
    """A white 200x150 picture with a rectangle of its own colour in each box."""
    image = np.full((150, 200, 3), 255, np.uint8)
    for colour, (left, top, right, bottom) in zip(COLOURS, BOXES.astype(int), strict=True):
        image[top:bottom, left:right] = colour
    return {
        "img": image,
        "img_shape": (150, 200),
        "gt_bboxes": box_type(BOXES.copy()),
        "gt_bboxes_labels": np.arange(5),
        "gt_ignore_flags": np.arange(5) % 2 == 1,
    }


def found(image: np.ndarray, label: int) -> np.ndarray | None:
    """The box around the pixels that are nearer to the label's colour than to all others."""
    colours = np.concatenate([COLOURS, [(255, 255, 255), (0, 0, 0)]]).astype(np.int16)
    distance = np.abs(image[:, :, None].astype(np.int16) - colours).sum(-1)
    rows, columns = np.nonzero(distance.argmin(-1) == label)
    if len(rows) == 0:
        return None
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def check_in_step(results: dict, tolerance: float) -> None:
    """Each box that is left is where its label's colour is, with its own flag."""
    boxes, labels = np.asarray(results["gt_bboxes"].tensor), results["gt_bboxes_labels"]
    assert len(boxes) == len(labels) == len(results["gt_ignore_flags"])
    assert results["gt_bboxes"].tensor.dtype == torch.float32
    assert labels.dtype == np.int64
    assert results["gt_ignore_flags"].dtype == bool
    np.testing.assert_array_equal(results["gt_ignore_flags"], labels % 2 == 1)
    assert results["img_shape"] == results["img"].shape[:2]
    for box, label in zip(boxes, labels, strict=True):
        np.testing.assert_allclose(box, found(results["img"], label), atol=tolerance)


GEOMETRIC = {
    "flip": (dict(type="HorizontalFlip", p=1.0), 1e-4),
    "vertical": (dict(type="VerticalFlip", p=1.0), 1e-4),
    "rot90": (dict(type="RandomRotate90", p=1.0), 1e-4),
    "crop": (dict(type="RandomCrop", height=90, width=120, p=1.0), 0.01),
    "safe crop": (dict(type="RandomSizedBBoxSafeCrop", height=120, width=160, p=1.0), 1.0),
    "pad": (dict(type="PadIfNeeded", min_height=180, min_width=260, p=1.0), 0.01),
    "affine": (
        dict(type="Affine", scale=(0.7, 2.5), translate_percent=(-0.1, 0.1), interpolation=0,
             p=1.0),
        1.0,
    ),
    "resize": (dict(type="RandomScale", scale_limit=0.5, p=1.0), 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", GEOMETRIC)
def test_boxes_are_where_their_colours_are(name):
    step, tolerance = GEOMETRIC[name]
    # Half a pixel and more stays: a thinner rest has no pixel to be found by.
    transform = Albumentations([step], min_visibility=0.02, min_area=12.0)
    lost = 0
    for seed in range(8):
        np.random.seed(seed)
        results = transform(sample())
        check_in_step(results, tolerance)
        lost += 5 - len(results["gt_bboxes"])
    if name in ("crop", "affine"):
        assert lost > 0, "nothing ever left the picture: the test shows nothing"
    elif name != "safe crop":
        assert lost == 0


def test_boxes_equal_a_direct_computation():
    results = Albumentations([dict(type="HorizontalFlip", p=1.0)])(sample())
    expected = BOXES[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (200, 0, 200, 0)
    np.testing.assert_allclose(results["gt_bboxes"].tensor, expected, atol=1e-4)
    np.testing.assert_array_equal(results["img"], sample()["img"][:, ::-1])
    crop = dict(type="Crop", x_min=20, y_min=30, x_max=120, y_max=110, p=1.0)
    results = Albumentations([crop])(sample())
    expected = (BOXES - (20, 30, 20, 30)).clip(0, (100, 80, 100, 80))
    kept = [0, 1, 3, 4]
    np.testing.assert_array_equal(results["gt_bboxes_labels"], kept)
    np.testing.assert_allclose(results["gt_bboxes"].tensor, expected[kept], atol=1e-4)
    np.testing.assert_array_equal(results["img"], sample()["img"][30:110, 20:120])


def cropped(corner, **kwargs):
    crop = dict(type="Crop", x_min=corner[0], y_min=corner[1], x_max=200, y_max=150, p=1.0)
    return Albumentations([crop], **kwargs)(sample())


def test_clipped_boxes_go_by_visibility_and_area():
    # Of box 0, (10, 20, 60, 50), a fifth is right of 50: 10 x 30 pixels.
    assert 0 in cropped((50, 0), min_visibility=0.19)["gt_bboxes_labels"]
    assert 0 not in cropped((50, 0), min_visibility=0.21)["gt_bboxes_labels"]
    assert 0 in cropped((50, 0), min_area=299)["gt_bboxes_labels"]
    assert 0 not in cropped((50, 0), min_area=301)["gt_bboxes_labels"]


def test_image_that_loses_all_boxes():
    results = cropped((199, 0))
    assert results["gt_bboxes"].tensor.shape == (0, 4)
    assert results["gt_bboxes_labels"].shape == results["gt_ignore_flags"].shape == (0,)
    assert results["gt_bboxes_labels"].dtype == np.int64
    assert cropped((199, 0), on_empty="retry") is None
    packed = PackBoxes()(results)
    assert len(packed["data_samples"].gt_instances.bboxes) == 0


def test_image_without_boxes_passes():
    results = sample()
    results |= {
        "gt_bboxes": HorizontalBoxes(np.zeros((0, 4), np.float32)),
        "gt_bboxes_labels": np.zeros(0, np.int64),
        "gt_ignore_flags": np.zeros(0, bool),
    }
    flip = Albumentations([dict(type="HorizontalFlip", p=1.0)], on_empty="retry")
    assert len(flip(results)["gt_bboxes"]) == 0
    image_only = flip({"img": sample()["img"], "img_shape": (150, 200)})
    np.testing.assert_array_equal(image_only["img"], sample()["img"][:, ::-1])


def test_pixel_transforms_leave_boxes_alone_and_see_rgb():
    grey = Albumentations([dict(type="ToGray", p=1.0)])(sample())
    np.testing.assert_array_equal(grey["gt_bboxes"].tensor, BOXES)
    expected = cv2.cvtColor(sample()["img"], cv2.COLOR_BGR2GRAY)
    np.testing.assert_allclose(grey["img"][..., 0], expected, atol=1)


def test_draws_come_from_numpy_and_are_independent():
    steps = [dict(type=name, p=0.5) for name in ("HorizontalFlip", "VerticalFlip")]
    transform = Albumentations(steps)

    def outcomes() -> list[tuple[bool, bool]]:
        np.random.seed(3)
        images = [transform(sample())["img"] for _ in range(40)]
        whole = sample()["img"]
        flips = [
            (whole, 1, 1),
            (whole[:, ::-1], 0, 1),
            (whole[::-1], 1, 0),
            (whole[::-1, ::-1], 0, 0),
        ]
        return [next(f[1:] for f in flips if np.array_equal(f[0], image)) for image in images]

    first = outcomes()
    assert set(first) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    random.seed(99)
    assert outcomes() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(transforms=[dict(type="HorizontalFlipp")]), "did you mean 'HorizontalFlip'"),
        (dict(transforms=[dict(type="Blur", blur_limit="x")]), "Blur: .*blur_limit"),
        (dict(transforms=[], on_empty="drop"), "on_empty is 'drop', allowed are keep, retry"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Albumentations(**arguments)


def test_masks_are_refused():
    with pytest.raises(InputError, match="gt_masks"):
        Albumentations([dict(type="HorizontalFlip")])(sample() | {"gt_masks": object()})
    with pytest.raises(InputError, match="masks"):
        ResizeCropFlip((64, 64), (1, 1))(sample() | {"gt_masks": object()})


def test_fast_hue_saturation_value_is_albumentations_own():
    colours = np.arange(0, 256**3, 7, dtype=np.uint32)[: 1024 * 1024].view(np.uint8)
    image = np.ascontiguousarray(colours.reshape(1024, 1024, 4)[..., :3])
    fast, slow = FastHueSaturationValue(), albumentations.HueSaturationValue()
    shifts = [
        (0, 0, 0),
        (7.4, -22.6, 13.1),
        (-8.9, 0, 0),
        (0, 29.5, 0),
        (0, 0, -19.7),
        (-20, 30, 0),
    ]
    for shift in shifts:
        np.testing.assert_array_equal(fast.apply(image, *shift), slow.apply(image, *shift))
    np.testing.assert_array_equal(
        fast.apply(image[..., :1], 0, 0, 5.0), slow.apply(image[..., :1], 0, 0, 5.0)
    )


def photo(index: int) -> dict:
    rng = np.random.default_rng(index)
    height, width = rng.integers(60, 300, 2)
    corner = rng.uniform(0, (width - 20, height - 20), (9, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 40, (9, 2))], 1).astype(np.float32)
    return {
        "img": rng.integers(0, 255, (height, width, 3), dtype=np.uint8),
        "ori_shape": (height, width),
        "instances": [
            {"bbox": list(map(float, box)), "bbox_label": i, "ignore_flag": int(i % 4 == 3)}
            for i, box in enumerate(boxes)
        ],
    }


@pytest.mark.parametrize("size", [(128, 128), (160, 96)])
@pytest.mark.parametrize("allow_negative_crop", [False, True])
def test_resize_crop_flip_equals_mmdet(size, allow_negative_crop):
    load = LoadAnnotations(with_bbox=True)
    ours = ResizeCropFlip(size, (0.5, 2.5), allow_negative_crop=allow_negative_crop)
    theirs = [
        RandomResize(scale=size, ratio_range=(0.5, 2.5), keep_ratio=True),
        # mmdet takes (height, width) of a square crop, and (width, height) otherwise.
        RandomCrop(crop_size=size, allow_negative_crop=allow_negative_crop),
        RandomFlip(prob=0.5),
    ]
    refused = flipped = 0
    for index in range(60):
        np.random.seed(index)
        expected = load(photo(index))
        for step in theirs:
            expected = expected if expected is None else step(expected)
        state = np.random.random()
        np.random.seed(index)
        results = ours(load(photo(index)))
        assert np.random.random() == state, "not as many random numbers"
        if expected is None:
            assert results is None
            refused += 1
            continue
        np.testing.assert_array_equal(results["img"], expected["img"])
        assert torch.equal(results["gt_bboxes"].tensor, expected["gt_bboxes"].tensor)
        for key in ("gt_bboxes_labels", "gt_ignore_flags"):
            np.testing.assert_array_equal(results[key], expected[key])
        for key in ("img_shape", "scale_factor", "flip", "flip_direction", "scale", "keep_ratio"):
            assert results[key] == expected[key], key
        flipped += results["flip"]
    assert 10 < flipped < 50


def test_resize_crop_flip_moves_boxes_with_the_picture():
    for seed in range(12):
        np.random.seed(seed)
        results = ResizeCropFlip((200, 150), (1.0, 1.0), crop_size=(120, 90))(sample())
        check_in_step(results, 0)


def test_resize_crop_flip_takes_plain_arrays():
    np.random.seed(1)
    boxes = ResizeCropFlip((128, 128), (0.5, 2.0))(sample())["gt_bboxes"]
    np.random.seed(1)
    array = ResizeCropFlip((128, 128), (0.5, 2.0))(sample(np.array))["gt_bboxes"]
    np.testing.assert_array_equal(array, boxes.tensor)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 1), (-1, 1)])
def test_resize_crop_flip_refuses_ratios(low, high):
    with pytest.raises(InputError, match=r"ratio_range is .* not 0 < low <= high"):
        ResizeCropFlip((64, 64), (low, high))


def test_pack_boxes_equals_mmdet():
    results = sample() | {"img_id": 3, "img_path": "a.jpg", "ori_shape": (150, 200)}
    results |= {"scale_factor": (1.0, 1.0), "flip": False, "flip_direction": None}
    expected, packed = PackDetInputs()(results.copy()), PackBoxes()(results.copy())
    assert torch.equal(packed["inputs"], expected["inputs"])
    assert packed["inputs"].is_contiguous()
    ours, theirs = packed["data_samples"], expected["data_samples"]
    assert ours.metainfo == theirs.metainfo
    for part in ("gt_instances", "ignored_instances"):
        for key in ("bboxes", "labels"):
            a, b = ours.get(part).get(key), theirs.get(part).get(key)
            assert torch.equal(getattr(a, "tensor", a), getattr(b, "tensor", b))
