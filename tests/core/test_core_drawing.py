"""Colours and contact sheets that all tasks share."""

import numpy as np
import pytest

from mnv4_vision.core.drawing import class_colour, contact_sheet, fit_into


def blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def test_colours_of_neighbouring_classes_differ():
    colours = np.array([class_colour(i) for i in range(80)], dtype=float)
    assert len({tuple(colour) for colour in colours}) == 80
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 90


def test_contact_sheet_places_every_image():
    images = [np.full((20 + i, 30, 3), 10 * i, np.uint8) for i in range(5)]
    sheet = contact_sheet(images, 2, padding=4)
    assert sheet.shape == (3 * (24 + 4) + 4, 2 * (30 + 4) + 4, 3)
    for i in range(5):
        row, column = divmod(i, 2)
        assert (sheet[4 + row * 28 + 12, 4 + column * 34 + 15] == 10 * i).all()
    assert (sheet[-10, -10] > 200).all()  # the sixth cell is empty paper


def test_contact_sheet_scales_into_cells():
    sheet = contact_sheet([blank(50, 100), blank(400, 100)], 5, cell_size=(80, 80), padding=0)
    assert sheet.shape == (80, 160, 3)
    assert fit_into(blank(50, 100), (80, 80)).shape == (40, 80, 3)
    assert fit_into(blank(400, 100), (80, 80)).shape == (80, 20, 3)
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], 3)
