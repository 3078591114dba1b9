"""File values become labels; masks of every kind that tools write are read alike."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.masks import MaskEncoding, read_mask

INDEX = np.random.default_rng(0).integers(0, 5, (13, 17), dtype=np.uint8)
PALETTE = ((0, 0, 0), (10, 20, 30), (40, 50, 60), (70, 80, 90), (255, 0, 0))


def palette_image() -> Image.Image:
    image = Image.fromarray(INDEX).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([part for colour in PALETTE for part in colour])
    return image


def test_labels_equal_a_plain_loop():
    mask = np.random.default_rng(1).choice(np.array([3, 7, 0, 9, 255], np.uint8), (11, 12))
    expected = {7: 0, 3: 1, 9: 2, 0: 255, 255: 255}
    labels = MaskEncoding((7, 3, 9), (0, 255)).labels(mask)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[expected[value] for value in row] for row in mask.tolist()]
    wide = MaskEncoding((7, 3, 9), (0, 255)).labels(mask.astype(np.uint16))
    assert np.array_equal(wide, labels)


def test_16_bit_values_beyond_255():
    mask = np.array([[0, 1000], [65535, 1000]], np.uint16)
    assert MaskEncoding((1000, 65535), (0,)).labels(mask).tolist() == [[255, 0], [1, 0]]


def test_colours_equal_a_plain_loop():
    colours = np.array(PALETTE, np.uint8)
    encoding = MaskEncoding((PALETTE[4], PALETTE[1], PALETTE[0]), (PALETTE[2], PALETTE[3]))
    expected = {4: 0, 1: 1, 0: 2, 2: 255, 3: 255}
    labels = encoding.labels(colours[INDEX])
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[expected[value] for value in row] for row in INDEX.tolist()]


def test_unknown_values_are_named_with_their_number():
    mask = np.array([[0, 1, 2], [9, 9, 255]], np.uint8)
    with pytest.raises(
        InputError, match=r"holds 9 \(2 pixels\).* \(0 to 2\) and 255 for no class$"
    ):
        MaskEncoding((0, 1, 2)).labels(mask)
    with pytest.raises(InputError, match=r"holds \[10, 20, 30\] "):
        MaskEncoding(((0, 0, 0), (1, 1, 1)), ()).labels(np.array([[[10, 20, 30]]], np.uint8))
    with pytest.raises(InputError, match=r"holds 3 .*reduce_zero_label=True"):
        MaskEncoding((0, 1, 2)).labels(np.array([[0, 3]], np.uint8))


@pytest.mark.parametrize("name", ["8.png", "4.png", "a.bmp", "a.tif"])
def test_palettes_are_read_as_indices(tmp_path, name: str):
    palette_image().save(tmp_path / name, **({"bits": 4} if name == "4.png" else {}))
    assert np.array_equal(read_mask(tmp_path / name), INDEX)
    assert np.array_equal(read_mask(tmp_path / name, in_colour=True), np.uint8(PALETTE)[INDEX])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_indices_in_every_number_of_channels(tmp_path, mode: str):
    image = Image.fromarray(INDEX.astype(np.uint16) if mode == "I;16" else INDEX)
    (image if mode == "I;16" else image.convert(mode)).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert np.array_equal(mask, INDEX)
    assert mask.dtype == (np.uint16 if mode == "I;16" else np.uint8)


def test_colours_keep_the_order_of_channels(tmp_path):
    colours = np.random.default_rng(2).integers(0, 255, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png", in_colour=True), colours)
    with pytest.raises(InputError, match=r"a\.png is a colour image.*labelmap\.txt"):
        read_mask(tmp_path / "a.png")


def test_colours_of_16_bits_are_refused(tmp_path):
    path = tmp_path / "a.png"
    for shape in ((4, 5), (4, 5, 3)):
        cv2.imwrite(str(path), np.arange(np.prod(shape), dtype=np.uint16).reshape(shape))
        with pytest.raises(InputError, match=r"mask .*a\.png has 16 bits a channel"):
            read_mask(path, in_colour=True)


def test_damage_is_named(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(INDEX).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"mask .*a\.png is truncated"):
        read_mask(path)
    path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"mask .*a\.png"):
        read_mask(path)
    Image.fromarray(INDEX.astype(np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="8 or 16 bits"):
        read_mask(tmp_path / "a.tif")
    with pytest.raises(MissingFileError, match=r"mask .*b\.png does not exist"):
        read_mask(tmp_path / "b.png")
