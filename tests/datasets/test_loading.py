import logging
from io import BytesIO

import cv2
import numpy as np
import pytest
from dataset_helpers import shared_data
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset
from mmengine.registry import TRANSFORMS
from PIL import Image

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import LoadImage, loading, read_image

ROTATE_90 = 6  # EXIF orientation: turn clockwise to show


@pytest.fixture
def picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return Image.fromarray(cv2.GaussianBlur(noise, (9, 9), 0))


def encode(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def results(path, width=64, height=48) -> dict:
    return {"img_path": str(path), "width": width, "height": height}


@pytest.mark.parametrize("to_float32", [False, True])
def test_equals_mmcv_on_real_photos(to_float32):
    for path in sorted((shared_data("coco_ccby") / "val2017").iterdir())[:10]:
        theirs = LoadImageFromFile(to_float32=to_float32)({"img_path": str(path)})
        ours = LoadImage(to_float32=to_float32)({"img_path": str(path)})
        assert ours.keys() == theirs.keys()
        assert ours["img"].dtype == theirs["img"].dtype
        np.testing.assert_array_equal(ours["img"], theirs["img"])
        assert ours["ori_shape"] == theirs["ori_shape"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95, 0.995])
def test_truncation_is_noticed(tmp_path, picture, kind, kept):
    data = encode(picture, kind)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match=f"{path} (is truncated|cannot be decoded)"):
        read_image(str(path))


def test_truncation_is_noticed_with_a_lenient_decoder(tmp_path, picture, monkeypatch):
    monkeypatch.setattr(loading, "_decode", lambda *_: np.zeros((48, 64, 3), np.uint8))
    path = tmp_path / "cut.jpg"
    path.write_bytes(encode(picture)[:-20])
    with pytest.raises(InputError, match=r"cut.jpg is truncated"):
        read_image(str(path))


@pytest.mark.parametrize("trailer", [b"\0" * 16, b"maker notes of a camera"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bytes_after_the_end_are_no_damage(tmp_path, picture, kind, trailer):
    path = tmp_path / "trailer"
    path.write_bytes(encode(picture, kind) + trailer)
    assert read_image(str(path), (64, 48)).shape == (48, 64, 3)


def test_truncated_after_an_embedded_thumbnail(tmp_path, picture):
    """A whole JPEG inside the header must not pass for the end of the picture."""
    exif = Image.Exif()
    exif[0x010E] = encode(picture.resize((16, 12))).decode("latin-1")
    data = encode(picture, exif=exif)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[:-100])
    with pytest.raises(InputError, match="is truncated"):
        read_image(str(path))


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\xff\xd8\xff\xd9"])
def test_no_image_at_all(tmp_path, data):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a.jpg (is truncated|cannot be decoded)"):
        read_image(str(path))


def test_missing_file(tmp_path):
    with pytest.raises(MissingFileError, match=r"no.jpg does not exist"):
        read_image(str(tmp_path / "no.jpg"))


@pytest.mark.parametrize(("size", "is_turned"), [(None, True), ((48, 64), True), ((64, 48), False)])
def test_recorded_size_decides_about_exif_rotation(tmp_path, picture, size, is_turned):
    exif = Image.Exif()
    exif[0x0112] = ROTATE_90
    path = tmp_path / "phone.jpg"
    path.write_bytes(encode(picture, exif=exif))
    stored = read_image(str(path), (64, 48))
    turned = np.rot90(stored, k=-1)
    np.testing.assert_array_equal(read_image(str(path), size), turned if is_turned else stored)


def test_other_size_than_recorded(tmp_path, picture):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(picture))
    with pytest.raises(InputError, match=r"a.jpg is 64x48, but its annotations say 128x96"):
        LoadImage()(results(path, 128, 96))
    with pytest.raises(InputError, match="is 64x48, but its annotations say 48x64"):
        LoadImage()(results(path, 48, 64))


class Photos(BaseDataset):
    """A damaged photo between whole ones."""

    def load_data_list(self):
        return [results(path) for path in self.metainfo["paths"]]


def photos(tmp_path, picture, on_error: str, **kwargs) -> Photos:
    paths = [tmp_path / f"{name}.jpg" for name in "abc"]
    for path in paths:
        path.write_bytes(encode(picture))
    paths[1].write_bytes(paths[1].read_bytes()[:-50])
    pipeline = [LoadImage(on_error=on_error)]
    return Photos(metainfo={"paths": paths}, pipeline=pipeline, serialize_data=False, **kwargs)


def test_stop(tmp_path, picture):
    with pytest.raises(InputError, match=r"b.jpg is truncated"):
        photos(tmp_path, picture, "stop")[1]


def test_skip_draws_another_image_and_counts(tmp_path, picture, monkeypatch):
    lines = []
    monkeypatch.setattr(
        "mnv4_vision.datasets.loading.print_log", lambda text, **kw: lines.append((text, kw))
    )
    dataset = photos(tmp_path, picture, "skip")
    for expected in (1, 2):
        monkeypatch.setattr(dataset, "_rand_another", lambda: 2)
        assert dataset[1]["img_path"].endswith("c.jpg")
        text, options = lines[-1]
        assert "b.jpg is truncated" in text
        assert f"skipped, number {expected} in this loader worker" in text
        assert options["level"] == logging.WARNING


def test_blank_keeps_the_evaluation_complete(tmp_path, picture):
    dataset = photos(tmp_path, picture, "blank", test_mode=True)
    damaged = dataset[1]
    assert damaged["img_path"].endswith("b.jpg")
    assert damaged["img"].shape == (48, 64, 3)
    assert damaged["ori_shape"] == (48, 64)
    assert not damaged["img"].any()
    assert dataset[0]["img"].any()


def test_blank_without_a_recorded_size_stops(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"a.jpg cannot be decoded"):
        LoadImage(on_error="blank")({"img_path": str(tmp_path / "a.jpg")})


def test_built_from_the_registry_with_a_misspelt_policy():
    assert TRANSFORMS.build({"type": "LoadImage", "on_error": "skip"}).on_error == "skip"
    with pytest.raises(InputError, match=r"on_error is 'skp', .* \(did you mean 'skip'\?\)"):
        LoadImage(on_error="skp")
