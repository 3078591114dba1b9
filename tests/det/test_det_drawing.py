"""Pictures: what is drawn where, and that the inputs stay as they are."""

import numpy as np
import pytest

from mnv4_vision.core.drawing import class_colour
from mnv4_vision.det.drawing import draw_comparison, draw_detections

GREY = 128


def blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def changed(image: np.ndarray) -> np.ndarray:
    return (image != GREY).any(axis=-1)


def test_box_lies_on_its_edges_and_leaves_its_inside():
    image = blank(300, 400)
    drawn = draw_detections(image, np.array([[100, 120, 300, 250]]), [1], [0.9], ["a", "b"])
    assert (image == GREY).all()
    assert (drawn[250, 110:290] == class_colour(1)).all()
    assert (drawn[130:240, 100] == class_colour(1)).all()
    assert not changed(drawn)[130:240, 110:290].any()
    assert changed(drawn)[105:120, 100:140].any()  # the tag above the box
    assert not changed(drawn)[:90].any()


def test_tag_holds_the_name_in_a_contrasting_ink():
    one = draw_detections(blank(300, 400), np.array([[50, 100, 300, 250]]), [0], [0.9], ["cat"])
    other = draw_detections(blank(300, 400), np.array([[50, 100, 300, 250]]), [0], [0.9], ["owl"])
    difference = (one != other).any(axis=-1)
    assert difference.any()
    assert not difference[101:].any()
    for label in range(80):
        colour = np.array(class_colour(label), dtype=float)
        drawn = draw_detections(blank(300, 400), np.array([[50, 100, 300, 250]]), [label])
        tag = drawn[80:99, 50:80].reshape(-1, 3).astype(float)
        assert np.abs(tag - colour).max(axis=1).max() > 80, label


@pytest.mark.parametrize(
    "box",
    [[-50, -50, 30, 30], [390, 290, 900, 900], [0, 0, 399, 299], [395, 2, 399, 5], [9, 9, 9, 9]],
)
def test_boxes_at_and_beyond_the_border(box):
    drawn = draw_detections(blank(300, 400), np.array([box]), [0], [0.5], ["a rather long name"])
    assert drawn.shape == (300, 400, 3)
    assert changed(drawn).any()


def test_tiny_image_and_no_boxes():
    image = blank(8, 8)
    assert (draw_detections(image, np.zeros((0, 4)), [], []) == image).all()
    assert draw_detections(image, np.array([[1, 1, 6, 6]]), [0], [0.5], ["a"]).shape == image.shape


def test_threshold_and_order():
    image = blank(300, 400)
    boxes = np.array([[100, 100, 300, 250], [100, 100, 300, 250], [10, 10, 60, 60]])
    drawn = draw_detections(image, boxes, [0, 1, 2], [0.9, 0.4, 0.2], score_threshold=0.3)
    assert not changed(drawn)[:80, :80].any()
    assert (drawn[250, 110:290] == class_colour(0)).all()  # the surer box lies on top


def test_lines_follow_the_image_size():
    def thickness(scale: int) -> int:
        drawn = draw_detections(
            blank(250 * scale, 250 * scale), np.array([[100, 100, 200, 200]]) * scale, [0]
        )
        return int(changed(drawn)[150 * scale, : 150 * scale].sum())

    assert thickness(1) == 1
    assert thickness(8) == pytest.approx(8, abs=1)


def test_names_outside_ascii_are_drawn():
    image, box = blank(300, 400), np.array([[50, 100, 300, 250]])
    accents = draw_detections(image, box, [0], class_names=["Zähne"])
    plain = draw_detections(image, box, [0], class_names=["Zahne"])
    assert (accents != blank(300, 400)).any()
    assert accents[:95].any()
    assert np.array_equal(accents, plain)
    numbered = draw_detections(image, box, [0], class_names=["class 0"])
    assert np.array_equal(draw_detections(image, box, [0], class_names=["猫"]), numbered)


def test_comparison_has_truth_left_and_prediction_right():
    image = blank(200, 300)
    truth = (np.array([[20, 60, 120, 160]]), [0])
    prediction = (np.array([[150, 60, 280, 160], [10, 10, 50, 50]]), [1, 1], [0.8, 0.1])
    sheet = draw_comparison(image, truth, prediction, ["a", "b"], score_threshold=0.5)
    strip = sheet.shape[0] - 200
    gap = sheet.shape[1] - 600
    assert strip > 0
    assert gap > 0
    left, right = sheet[strip:, :300], sheet[strip:, 300 + gap :]
    assert (left[160, 30:110] == class_colour(0)).all()
    assert (right[160, 160:270] == class_colour(1)).all()
    assert not changed(left)[:, 150:].any()
    assert not changed(right)[:, :140].any()
