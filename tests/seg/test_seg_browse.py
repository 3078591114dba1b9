"""The page of a mask set: photo, labels, and what training makes of them."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import make_demo
from mnv4_vision.seg.browse import browse

CONFIG = "configs/seg/lraspp_mnv4_conv_s.py"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("browse") / "demo", train=5, val=2, image_size=96)


@pytest.fixture
def damaged(demo, tmp_path):
    """A copy to damage."""
    for file in (file for file in demo.rglob("*") if file.is_file()):
        copy = tmp_path / "data" / file.relative_to(demo)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return tmp_path / "data"


def pictures(page: Path) -> list[np.ndarray]:
    """Return the JPEG pictures; the plot is a PNG."""
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", page.read_text())
    return [cv2.imdecode(np.frombuffer(base64.b64decode(f), np.uint8), 1) for f in found]


def test_photo_and_labels_side_by_side(demo, tmp_path):
    page = browse(demo, tmp_path, num=3)
    found, text = pictures(page), page.read_text()
    assert len(found) == 2 * 3
    assert text.count("data:image/png") == 1
    names = re.findall(r"<figcaption>(train_\d+)\.jpg, 96x96</figcaption>", text)
    assert len(set(names)) == 3
    masks = re.findall(r"<figcaption>(train_\d+)\.png, 0\.0 % without class", text)
    assert masks == names
    for name, photo, drawn in zip(names, found[::2], found[1::2], strict=True):
        mask = cv2.imread(str(demo / "masks" / "train" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        background = cv2.resize(mask, (480, 480), interpolation=cv2.INTER_NEAREST) == 0
        # Background is black at an opacity of 0.6.
        expected = 0.4 * photo[background].mean()
        assert drawn[:480][background].mean() == pytest.approx(expected, abs=2)


def test_the_trained_pictures_stand_beside(demo, tmp_path):
    page = browse(demo, tmp_path, config=CONFIG, num=2)
    assert len(pictures(page)) == 2 * 4
    assert len(re.findall(r"<figcaption>augmented [12], \d+x\d+<", page.read_text())) == 4
    again = browse(demo, tmp_path / "again", config=CONFIG, num=2)
    assert again.read_text() == page.read_text()


def test_what_cannot_be_drawn_is_named_and_replaced(damaged, tmp_path):
    wrong, cut = (sorted((damaged / "masks/train").iterdir())[i] for i in (0, 1))
    cv2.imwrite(str(wrong), np.full((96, 96), 99, np.uint8))
    cut.write_bytes(cut.read_bytes()[:40])
    page = browse(damaged, tmp_path / "page", config=CONFIG)
    text = page.read_text()
    assert len(pictures(page)) == 3 * 4
    assert f"Left out: mask {wrong} holds 99" in text
    assert f"Left out: mask {cut} " in text
    assert "There are errors" in text


def test_errors_are_one_line(demo, damaged, tmp_path):
    for mask in (damaged / "masks/train").iterdir():
        mask.write_bytes(b"")
    with pytest.raises(InputError, match=r"no image can be shown: mask .*png"):
        browse(damaged, tmp_path / "page")
    with pytest.raises(InputError, match="--num 0"):
        browse(demo, tmp_path / "page", num=0)
    with pytest.raises(InputError, match="trains on CocoDataset, not on masks"):
        browse(demo, tmp_path / "page", config="configs/det/retina_mnv4_conv_s.py")
