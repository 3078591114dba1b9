"""Class balance: how often images are drawn and what classes weigh, against plain computations."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmseg.models.losses import CrossEntropyLoss
from torch import nn

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks import MaskEncoding
from mnv4_vision.datasets.masks.counts import count_pixels
from mnv4_vision.seg import class_balance
from mnv4_vision.seg.class_balance import (
    ClassBalancedSampler,
    ClassWeightsHook,
    image_weights,
    median_frequency,
)

# 40 images: class 0 in all, class 1 in ten, class 2 in one, class 3 in none.
COUNTS = np.zeros((40, 5), np.int64)
COUNTS[:, 0] = 900
COUNTS[:10, 1] = 100
COUNTS[0, 2] = 50
COUNTS[:, 4] = 1000 - COUNTS.sum(1)


def test_image_weights_are_those_of_the_rarest_class():
    weights = image_weights(COUNTS, threshold=0.5, min_share=0.001)
    assert weights[0] == pytest.approx((0.5 * 40) ** 0.5)
    np.testing.assert_allclose(weights[1:10], (0.5 / 0.25) ** 0.5)
    np.testing.assert_array_equal(weights[10:], 1)
    # 50 of 1000 pixels do not make an image one of class 2 any more.
    assert image_weights(COUNTS, 0.5, min_share=0.06)[0] == pytest.approx(2**0.5)


def test_median_frequency():
    frequencies = np.array([0.9, 0.1, 0.05])
    expected = [*np.minimum(0.1 / frequencies, 1.5), 1.0]
    np.testing.assert_allclose(median_frequency(COUNTS, maximum=1.5), expected)


@pytest.fixture
def dataset(monkeypatch):
    monkeypatch.setattr(class_balance, "_counts_of", lambda dataset: COUNTS)
    return range(40)


def draws(sampler, epochs=1) -> np.ndarray:
    counts = np.zeros(40, int)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        assert len(drawn) == len(sampler)
        counts += np.bincount(drawn, minlength=40)
    return counts


def test_images_are_drawn_by_their_weights_in_epochs_of_the_same_length(dataset):
    sampler = ClassBalancedSampler(dataset, threshold=0.5, seed=0)
    share = image_weights(COUNTS, 0.5, 0.001)
    share = 40 * share / share.sum()
    one = draws(sampler)
    assert one.sum() == 40
    assert (np.abs(one - share) < 1).all()  # rounded up or down, never further away
    np.testing.assert_allclose(draws(sampler, 300) / 300, share, atol=0.1)


def test_epochs_differ_and_repeat(dataset):
    sampler = ClassBalancedSampler(dataset, seed=5)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    again = ClassBalancedSampler(dataset, seed=5)
    assert list(again) == first


def test_processes_share_one_drawing(dataset, monkeypatch):
    whole = sorted(ClassBalancedSampler(dataset, threshold=0.5, seed=1))
    parts = []
    for rank in range(2):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda rank=rank: (rank, 2))
        parts += list(ClassBalancedSampler(dataset, threshold=0.5, seed=1))
    assert sorted(parts) == whole


def test_hook_weighs_the_losses(dataset):
    model = nn.ModuleDict({"head": CrossEntropyLoss(), "auxiliary": CrossEntropyLoss()})
    data = SimpleNamespace(metainfo=dict(classes=("a", "b", "c", "d")))
    runner = SimpleNamespace(
        model=model,
        train_dataloader=SimpleNamespace(dataset=data),
        logger=MMLogger.get_instance("weights"),
    )
    ClassWeightsHook(maximum=1.5).before_train(runner)
    for loss in model.values():
        np.testing.assert_allclose(loss.class_weight, median_frequency(COUNTS, 1.5))


@pytest.mark.parametrize("arguments", [dict(threshold=0), dict(min_share=1.5)])
def test_wrong_shares_are_named(dataset, arguments):
    with pytest.raises(InputError, match=r"ClassBalancedSampler: \w+=.* allowed are 0 to 1"):
        ClassBalancedSampler(dataset, **arguments)
    with pytest.raises(InputError, match="maximum=-1"):
        ClassWeightsHook(maximum=-1)


def test_other_data_sets_are_named():
    with pytest.raises(InputError, match="class balance needs a MaskDataset, not range"):
        ClassBalancedSampler(range(4))


@pytest.fixture
def masks(tmp_path, monkeypatch):
    monkeypatch.setenv("MNV4_VISION_CACHE", str(tmp_path / "cache"))
    files = [tmp_path / f"{index}.png" for index in range(3)]
    for index, file in enumerate(files):
        mask = np.full((10, 20), 255, np.uint8)
        mask[: 2 * index + 1] = index
        cv2.imwrite(str(file), mask)
    return files


ENCODING = MaskEncoding((0, 1, 2), (255,))
EXPECTED = [[20, 0, 0, 180], [0, 60, 0, 140], [0, 0, 100, 100]]


def test_pixels_are_counted_once(masks, monkeypatch):
    np.testing.assert_array_equal(count_pixels(masks, ENCODING), EXPECTED)
    monkeypatch.setattr("mnv4_vision.datasets.masks.counts.read_mask", None)
    np.testing.assert_array_equal(count_pixels(masks, ENCODING), EXPECTED)


def test_changed_masks_are_counted_again(masks):
    count_pixels(masks, ENCODING)
    cv2.imwrite(str(masks[0]), np.zeros((7, 9), np.uint8))
    np.testing.assert_array_equal(count_pixels(masks, ENCODING)[0], [63, 0, 0, 0])
    assert count_pixels(masks, MaskEncoding((0, 1), (2, 255)))[2].tolist() == [0, 0, 200]


def test_mask_with_a_wrong_value_is_named(masks):
    with pytest.raises(InputError, match=r"mask .*2\.png holds 2"):
        count_pixels(masks, MaskEncoding((0, 1), (255,)))
