"""Spoilt images and masks: decoded whole, or refused by name; the verification agrees."""

import struct

import cv2
import numpy as np
import pytest
from fuzz_mutators import BYTES, cases, claim_png_size
from fuzz_oracle import survive
from fuzz_sets import HEIGHT, WIDTH, copy_of, make_coco, picture, use
from PIL import Image

from mnv4_vision.datasets import read_image


def encode(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def save(image: Image.Image, kind: str, **options) -> bytes:
    from io import BytesIO

    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    return claim_png_size(encode(".png", picture(0)), width, height)


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(encode(".jpg", picture(0)))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_claiming(width: int, height: int) -> bytes:
    data = bytearray(encode(".bmp", picture(0)))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def exif(orientation: int, junk: bytes = b"") -> bytes:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + b"\0\0\0\0" + junk


PHOTO = Image.fromarray(picture(1))
MASK = (np.arange(WIDTH * HEIGHT, dtype=np.uint32) % 5).astype(np.uint8).reshape(HEIGHT, WIDTH)
NOISE = np.random.default_rng(0).integers(0, 65535, (HEIGHT, WIDTH), dtype=np.uint16)
HEALTHY = {
    ".jpg": encode(".jpg", picture(0)),
    ".png": encode(".png", picture(0)),
    ".bmp": encode(".bmp", picture(0)),
    ".webp": encode(".webp", picture(0)),
    ".tif": encode(".tif", picture(0)),
}
ODD = {
    "grey.jpg": lambda: save(PHOTO.convert("L"), "JPEG"),
    "cmyk.jpg": lambda: save(PHOTO.convert("CMYK"), "JPEG"),
    "progressive.jpg": lambda: save(PHOTO, "JPEG", progressive=True),
    "rgba.png": lambda: save(PHOTO.convert("RGBA"), "PNG"),
    "palette.png": lambda: save(PHOTO.convert("P"), "PNG"),
    "bilevel.png": lambda: save(PHOTO.convert("1"), "PNG"),
    "grey16.png": lambda: encode(".png", NOISE),
    "interlaced.png": lambda: encode(".png", picture(0)),
    "animated.gif": lambda: save(PHOTO, "GIF", save_all=True, append_images=[PHOTO]),
    "png_called.jpg": lambda: HEALTHY[".png"],
    "jpg_called.png": lambda: HEALTHY[".jpg"],
    "text_called.jpg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "padded.jpg": lambda: HEALTHY[".jpg"] + bytes(1000),
    "one_pixel.png": lambda: encode(".png", np.zeros((1, 1, 3), np.uint8)),
    "narrow.png": lambda: encode(".png", np.zeros((1, 3000, 3), np.uint8)),
    "empty.png": lambda: b"",
    "signature.png": lambda: b"\x89PNG\r\n\x1a\n",
    "start.jpg": lambda: b"\xff\xd8\xff\xd9",
    "pointer.jpg": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "exif_turned.jpg": lambda: save(PHOTO, "JPEG", exif=exif(6)),
    "exif_odd_turn.jpg": lambda: save(PHOTO, "JPEG", exif=exif(99)),
    "exif_junk.jpg": lambda: save(PHOTO, "JPEG", exif=exif(6, bytes(range(256)) * 20)),
    "exif_broken.jpg": lambda: save(PHOTO, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
} | {
    f"claims_{width}x{height}{suffix}": lambda make=make, w=width, h=height: make(w, h)
    for suffix, make in ((".png", png_claiming), (".jpg", jpeg_claiming), (".bmp", bmp_claiming))
    for width, height in ((65500, 65500), (0, 0), (WIDTH, 0), (30000, 1), (WIDTH, HEIGHT + 16))
} | {
    "claims_100000.png": lambda: png_claiming(100_000, 100_000),
    "claims_2_31.png": lambda: png_claiming(2**31 - 1, 2**31 - 1),
    "claims_minus.bmp": lambda: bmp_claiming(-WIDTH, -HEIGHT),
}  # fmt: skip
FLAGS = ("color", "grayscale", "unchanged")  # the last as index masks are read


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("healthy") / "coco")


def check(path, data, rng_name, healthy, tmp_path) -> None:
    """Read the file alone, then as a training image of a set."""
    path.write_bytes(data)
    for flag in FLAGS:
        survive(lambda flag=flag: read_image(str(path), color_type=flag), path.parent, path.name)
    refused = survive(lambda: read_image(str(path), (WIDTH, HEIGHT)), path.parent, path.name)
    root = copy_of(healthy, tmp_path / "set")
    (root / "train" / "train_2.jpg").write_bytes(data)
    message = survive(lambda: use(root), root, "train_2.jpg")
    if refused is None:
        assert message is None, f"{rng_name}: read, but not trained from: {message}"
    else:
        assert message is not None, f"{rng_name}: trained from, though it cannot be read: {refused}"


@pytest.mark.parametrize("case", cases("image", BYTES, 10), ids=lambda case: case.name)
def test_spoilt_bytes(healthy, tmp_path, case):
    rng = case.rng()
    suffix = rng.choice(sorted(HEALTHY))
    (tmp_path / "alone").mkdir()
    path = tmp_path / "alone" / f"photo{suffix}"
    check(path, case.mutate(rng, HEALTHY[suffix]), case.name, healthy, tmp_path)


@pytest.mark.parametrize("name", ODD)
def test_odd_images(healthy, tmp_path, name):
    (tmp_path / "alone").mkdir()
    check(tmp_path / "alone" / name, ODD[name](), name, healthy, tmp_path)


@pytest.mark.parametrize("case", cases("mask", BYTES, 5), ids=lambda case: case.name)
def test_index_masks(tmp_path, case):
    """A mask that is accepted has the size it should have; its values are checked by who reads."""
    path = tmp_path / "mask.png"
    path.write_bytes(case.mutate(case.rng(), encode(".png", MASK)))

    def read():
        mask = read_image(str(path), (WIDTH, HEIGHT), color_type="unchanged")
        assert mask.shape == (HEIGHT, WIDTH)

    survive(read, tmp_path, path.name)
