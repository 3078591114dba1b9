"""The page of a data set: as many pictures as asked for, whatever is wrong with the data."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import make_demo
from mnv4_vision.det.browse import browse

CONFIG = "configs/det/retina_mnv4_conv_s.py"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("browse") / "demo", train=6, val=2, image_size=96)


class Tags(HTMLParser):
    """Counts tags and notes those that are closed in another order than opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.wrong = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.wrong.append(tag)


def pictures(page: Path) -> list[np.ndarray]:
    """Return the JPEG pictures; the plots are PNG."""
    text = page.read_text()
    tags = Tags(text)
    assert (tags.open, tags.wrong) == ([], [])
    assert 'src="http' not in text
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", text)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(f), np.uint8), 1) for f in found]


def damage(demo: Path, root: Path, change) -> Path:
    """Copy the annotations, changed, and link the images."""
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (root / split).mkdir()
        for image in (demo / split).iterdir():
            (root / split / image.name).symlink_to(image)
        content = json.loads((demo / f"annotations/instances_{split}.json").read_text())
        change(content)
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    return root


def test_page_with_images_boxes_and_plots(demo, tmp_path):
    page = browse(demo, tmp_path, num=4)
    found = pictures(page)
    assert len(found) == 4
    assert all(max(picture.shape) == 480 for picture in found)
    assert page.read_text().count("data:image/png") == 1


def test_equal_seeds_show_the_same(demo, tmp_path):
    first, second, third = (
        browse(demo, tmp_path / str(i), num=3, seed=seed).read_text()
        for i, seed in enumerate((1, 1, 2))
    )
    assert first == second
    assert first != third


def test_the_box_is_drawn_where_it_is(demo, tmp_path):
    def one_box(content):
        content["images"] = content["images"][:1]
        image_id = content["images"][0]["id"]
        box = dict(content["annotations"][0], image_id=image_id, bbox=[24, 24, 48, 48], area=2304)
        content["annotations"] = [box]

    (drawn,) = pictures(browse(damage(demo, tmp_path / "data", one_box), tmp_path / "page"))
    file = next(
        p
        for p in (demo / "train").iterdir()
        if p.name in (tmp_path / "page/index.html").read_text()
    )
    plain = cv2.resize(cv2.imread(str(file)), (480, 480), interpolation=cv2.INTER_CUBIC)
    changed = np.abs(drawn.astype(int) - plain).max(axis=2) > 60
    rows, columns = np.nonzero(changed[130:])
    assert abs(rows.max() + 130 - 360) <= 3
    assert abs(columns.min() - 120) <= 3
    assert abs(columns.max() - 360) <= 3


def test_the_trained_pictures_stand_beside(demo, tmp_path):
    page = browse(demo, tmp_path, config=CONFIG, num=2)
    assert len(pictures(page)) == 2 * 3
    assert len(re.findall(r"<figcaption>augmented [12], \d+ boxes", page.read_text())) == 4


def test_what_cannot_be_drawn_is_counted_and_left_out(demo, tmp_path):
    def change(content):
        boxes = content["annotations"]
        boxes[0]["bbox"] = None
        boxes[1]["image_id"] = 999
        boxes[2]["category_id"] = "cat"
        boxes[3]["bbox"] = [1000, 0, 5, 5]
        content["images"].append({"id": 998, "file_name": 3})

    root = damage(demo, tmp_path / "data", change)
    broken = sorted((root / "train").iterdir())[0]
    broken.unlink()
    broken.write_bytes(b"no picture")
    page = browse(root, tmp_path / "page", config=CONFIG)
    text = page.read_text()
    assert len(pictures(page)) == 5 * 3
    assert "left out: 1 images, 4 annotations." in text
    assert f"Left out: image {broken.absolute()} " in text


def test_nothing_to_show_is_one_line(demo, tmp_path):
    root = damage(demo, tmp_path / "data", lambda content: None)
    for image in (root / "train").iterdir():
        image.unlink()
    with pytest.raises(InputError, match=r"no image can be shown: .* does not exist"):
        browse(root, tmp_path / "page")
    with pytest.raises(InputError, match="--num 0"):
        browse(demo, tmp_path / "page", num=0)
