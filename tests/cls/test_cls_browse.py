"""The page of a classification set: images by class, and what training makes of them."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv4_vision.cls.browse import browse
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import pack_images

CONFIG = "configs/cls/mnv4_conv_s_scratch.py"
NAMES = ("ant", "bee", "cat")
GREYS = (40, 120, 200)


@pytest.fixture
def data_root(tmp_path):
    """Pictures of one grey for each class."""
    for split in ("train", "val"):
        for name, grey in zip(NAMES, GREYS, strict=True):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(3):
                picture = np.full((30 + index, 40), grey, np.uint8)
                cv2.imwrite(str(folder / f"{name}{index}.jpg"), picture)
    return tmp_path / "data"


def pictures(page: Path) -> list[np.ndarray]:
    """Return the JPEG pictures; the plot is a PNG."""
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", page.read_text())
    return [cv2.imdecode(np.frombuffer(base64.b64decode(f), np.uint8), 1) for f in found]


def test_images_stand_below_their_class(data_root, tmp_path):
    page = browse(data_root, tmp_path / "page", num=5)
    text = page.read_text()
    assert re.findall(r"<h2>(\w+), 3 images</h2>", text) == list(NAMES)
    shown = re.findall(r"<figcaption>([a-z]+)(\d)\.jpg, 40x(\d+)<", text)
    assert [name for name, _, _ in shown] == sorted(name for name, _, _ in shown)
    counts = [sum(shown[0] == name for shown in shown) for name in NAMES]
    assert sorted(counts) == [1, 2, 2]
    assert all(int(height) == 30 + int(index) for _, index, height in shown)
    for picture, (name, _, _) in zip(pictures(page), shown, strict=True):
        assert picture.mean() == pytest.approx(GREYS[NAMES.index(name)], abs=2)
    assert text.count("data:image/png") == 1


def test_of_many_classes_a_part_is_shown(data_root, tmp_path):
    text = browse(data_root, tmp_path / "page", num=2).read_text()
    assert len(re.findall(r"<h2>\w+, 3 images</h2>", text)) == 2
    everything = browse(data_root, tmp_path / "all", num=99)
    assert len(pictures(everything)) == 9


def test_the_trained_pictures_stand_beside(data_root, tmp_path):
    page = browse(data_root, tmp_path / "page", config=CONFIG, num=2)
    assert len(pictures(page)) == 2 * 3
    assert len(re.findall(r"<figcaption>augmented [12], 128x128<", page.read_text())) == 4
    again = browse(data_root, tmp_path / "again", config=CONFIG, num=2)
    assert again.read_text() == page.read_text()


def test_a_packed_set_gives_the_same_pictures(data_root, tmp_path):
    pack_images(data_root, tmp_path / "store", "webdataset")
    pages = [
        browse(root, tmp_path / root.name / "page") for root in (data_root, tmp_path / "store")
    ]
    plain, packed = (pictures(page) for page in pages)
    assert len(plain) == 9
    assert all(np.array_equal(one, other) for one, other in zip(plain, packed, strict=True))


def test_what_cannot_be_drawn_is_named_and_replaced(data_root, tmp_path):
    for name in ("bee0", "bee1", "bee2", "cat0"):
        (data_root / "train" / name[:3] / f"{name}.jpg").write_bytes(b"")
    page = browse(data_root, tmp_path / "page", num=6)
    text = page.read_text()
    assert len(pictures(page)) == 4
    assert "There are errors" in text
    assert re.search(r"Left out: no image can be shown: image .*bee\d\.jpg cannot be decoded", text)
    assert len(re.findall("<figcaption>cat[12]", text)) == 2


def test_errors_are_one_line(data_root, tmp_path):
    with pytest.raises(InputError, match="--num 0"):
        browse(data_root, tmp_path / "page", num=0)
    with pytest.raises(InputError, match="trains on CocoDataset, not on classes"):
        browse(data_root, tmp_path / "page", config="configs/det/retina_mnv4_conv_s.py")
    for path in (data_root / "train").rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no image can be shown: image .*jpg"):
        browse(data_root, tmp_path / "page")
