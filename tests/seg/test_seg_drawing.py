"""Label maps on photos: the right colours in the right place, unlabelled pixels untouched."""

import numpy as np

from mnv4_vision.core.drawing import PAPER
from mnv4_vision.seg.drawing import (
    add_legend,
    colour_labels,
    default_palette,
    draw_labels,
    present_classes,
)

PALETTE = [(200, 0, 0), (0, 100, 0), (0, 0, 50)]


def test_colours_are_rgb_in_and_bgr_out():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    expected = [[(0, 0, 200), (0, 100, 0)], [(50, 0, 0), (0, 0, 0)]]
    assert colour_labels(labels, PALETTE).tolist() == np.array(expected).tolist()


def test_labels_tint_the_photo_and_leave_unlabelled_pixels():
    photo = np.full((2, 2, 3), 100, np.uint8)
    labels = np.array([[0, 1], [2, 255]], np.int64)
    drawn = draw_labels(photo, labels, PALETTE, opacity=0.25)
    assert (photo == 100).all()
    assert drawn[0, 0].tolist() == [75, 75, 125]
    assert drawn[1, 0].tolist() == [88, 75, 75]  # 87.5 and rounded
    assert drawn[1, 1].tolist() == [100, 100, 100]


def test_present_classes_are_sorted_by_pixels():
    first, second = np.array([[0, 2, 2]]), np.array([[2, 1, 255]])
    assert present_classes(first, num_classes=3) == [2, 0]
    assert present_classes(first, second, second, num_classes=3) == [2, 1, 0]
    assert present_classes(np.full((2, 2), 255), num_classes=3) == []


def test_legend_names_the_classes_below_the_picture():
    photo = np.full((200, 300, 3), 9, np.uint8)
    drawn = add_legend(photo, [2, 0], PALETTE, ["sky", "road", "sea"])
    strip = drawn[200:]
    assert (drawn[:200] == photo).all()
    patches = [(strip == PALETTE[label][::-1]).all(-1) for label in range(3)]
    assert patches[0].sum() == patches[2].sum() > 20
    assert patches[1].sum() == 0
    columns = [np.nonzero(patches[label])[1].mean() for label in (2, 0)]
    assert columns[0] < columns[1]  # in the order given
    other = add_legend(photo, [2, 0], PALETTE, ["sky", "road", "ice"])
    assert (other != drawn).any()


def test_a_long_legend_is_broken_into_lines_within_the_picture():
    photo = np.zeros((200, 300, 3), np.uint8)
    names = [f"a rather long name {i}" for i in range(20)]
    short = add_legend(photo, [0, 1], default_palette(20), names)
    long = add_legend(photo, list(range(20)), default_palette(20), names)
    assert long.shape[1] == 300
    assert long.shape[0] - 200 > 5 * (short.shape[0] - 200)
    assert (long[200:, -3:] == PAPER).all()
    assert add_legend(photo, [], PALETTE).shape == photo.shape
