"""The names of results, and the loop that every task predicts files in."""

from pathlib import Path

import numpy as np
import pytest

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.predictions import predict_each, unique_names


def test_results_have_names_of_their_own():
    files = ["a/1.jpg", "b/1.jpg", "a/1.png", "/x/2.jpg", "/y/2.jpg", "c/sheet.png", "d/3.jpg"]
    names = unique_names([Path(file) for file in files])
    assert names == ["a_1.jpg", "b_1.jpg", "a_1.png", "x_2.jpg", "y_2.jpg", "c_sheet.png", "3"]


def read(file: str) -> np.ndarray:
    if "broken" in file:
        raise InputError(f"{file} is broken")
    return np.full((8, 12, 3), len(file), np.uint8)


def test_unreadable_files_are_named_and_left_out(tmp_path, capsys):
    files = [Path(name) for name in ("broken.jpg", "a.jpg", "b.jpg", "c.jpg")]
    times = iter([100.0, 3.0, 5.0])
    done = predict_each(
        files, tmp_path, read, lambda image, path: (image, f"at {path.name}", next(times))
    )
    assert done == files[1:]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["skipped: broken.jpg is broken", "a.jpg: at a, 100 ms"]
    assert lines[-1] == f"3 images, 1 skipped, median 4.0 ms; results in {tmp_path}"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.jpg", "b.jpg", "c.jpg", "sheet.jpg"]


def test_results_never_replace_the_images(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"original")
    with pytest.raises(InputError, match=r"holds .*a\.jpg"):
        predict_each([photo], tmp_path / "." / "x" / "..", read, lambda *_: None)
    assert [f.name for f in tmp_path.iterdir()] == ["a.jpg"]
    assert photo.read_bytes() == b"original"


def test_nothing_readable(tmp_path):
    with pytest.raises(InputError, match="none of the 1 images"):
        predict_each([Path("broken.jpg")], tmp_path, read, lambda *_: None)
