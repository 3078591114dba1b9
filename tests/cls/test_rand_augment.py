"""RandAugment: the strengths of the paper's magnitudes, TensorFlow's formulas, and who draws."""

from math import cos, radians, sin
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mnv4_vision.cls import InceptionCrop
from mnv4_vision.cls.transforms.rand_augment import OPERATIONS, RandAugment
from mnv4_vision.core.engine import load_config
from mnv4_vision.core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]

# Conv-S trains with magnitude 9, the others with 15; here both with Conv-S' translate_const, 20.
STRENGTHS = {
    "Rotate": (27, 45),
    "Posterize": (3, 6),  # bits kept
    "Solarize": (230, 384),  # threshold
    "SolarizeAdd": (99, 165),
    "Color": (1.72, 2.8),
    "Contrast": (1.72, 2.8),
    "Brightness": (1.72, 2.8),
    "Sharpness": (1.72, 2.8),
    "ShearX": (0.27, 0.45),
    "ShearY": (0.27, 0.45),
    "TranslateX": (18, 30),
    "TranslateY": (18, 30),
}
ENHANCED = ("Brightness", "Contrast", "Color")
GEOMETRY = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Smooth colours and noise, RGB, not square."""
    generator = np.random.default_rng(0)
    image = cv2.resize(generator.integers(20, 236, (6, 8, 3), dtype=np.uint8), (96, 72))
    noise = generator.integers(-15, 16, image.shape)
    return np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)


def strength(name: str, magnitude: float) -> float:
    return OPERATIONS[name].strength(magnitude / 10, 20)


def only(*names: str, **arguments) -> RandAugment:
    return RandAugment(excluded=[n for n in OPERATIONS if n not in names], **arguments)


@pytest.mark.parametrize("name", OPERATIONS)
def test_strengths(name):
    if name not in STRENGTHS:
        assert OPERATIONS[name].strength is None
        return
    assert [strength(name, m) for m in (9, 15)] == pytest.approx(STRENGTHS[name])
    assert OPERATIONS[name].is_signed == (name in GEOMETRY)


def expected(name: str, image: np.ndarray, value: float) -> np.ndarray:
    """What TensorFlow's formulas give for the operations that look at one pixel."""
    x = image.astype(float)
    if name == "Invert":
        return 255 - x
    if name == "Posterize":
        return x // 2 ** (8 - value) * 2 ** (8 - value)
    if name == "Solarize":
        return np.where(x < value, x, 255 - x)
    if name == "SolarizeAdd":
        return np.where(x < 128, np.minimum(x + value, 255), x)
    if name == "AutoContrast":
        low, high = x.min((0, 1)), x.max((0, 1))
        return (x - low) * 255 / (high - low)
    grey = (x @ (0.299, 0.587, 0.114)).round()
    other = {"Brightness": 0, "Contrast": grey.mean().round(), "Color": grey[..., None]}[name]
    return np.clip(other + value * (x - other), 0, 255)


@pytest.mark.parametrize("magnitude", [9, 15])
@pytest.mark.parametrize(
    "name",
    ["Invert", "Posterize", "Solarize", "SolarizeAdd", "AutoContrast", *ENHANCED],
)
def test_values_by_direct_computation(name, magnitude, photo):
    arguments = [strength(name, magnitude)] if name in STRENGTHS else []
    out = OPERATIONS[name].apply(photo, *arguments)
    assert not np.array_equal(out, photo) or (name, magnitude) == ("Solarize", 15)
    wanted = expected(name, photo, *(arguments or [0]))
    tolerance = {"Color": 1 + 1.8, "Contrast": 1 + 1.8}.get(name, 1)  # of rounding the grey value
    exact = name in ("Invert", "Posterize", "Solarize", "SolarizeAdd")
    np.testing.assert_allclose(out, wanted, atol=0 if exact else tolerance, rtol=0)


def test_sharpness_moves_away_from_the_smoothed_image(photo):
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    smooth = cv2.filter2D(photo.astype(float), -1, kernel)
    smooth[[0, -1]], smooth[:, [0, -1]] = photo[[0, -1]], photo[:, [0, -1]]
    for magnitude, factor in ((9, 1.72), (15, 2.8)):
        out = OPERATIONS["Sharpness"].apply(photo, strength("Sharpness", magnitude))
        wanted = np.clip(smooth + factor * (photo - smooth), 0, 255)
        np.testing.assert_allclose(out, wanted, atol=1 + factor / 2, rtol=0)


def test_equalize_flattens_each_channel(photo):
    out = OPERATIONS["Equalize"].apply(photo)
    for channel in range(3):
        share = np.searchsorted(np.sort(out[..., channel].ravel()), np.arange(16, 256, 16))
        assert np.abs(share / out[..., channel].size - np.arange(1, 16) / 16).max() < 0.05


def sources(name: str, value: float, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where TensorFlow's matrices take each output pixel from: x and y, not rounded."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    if name == "Rotate":
        c, s = cos(radians(value)), sin(radians(value))
        cx, cy = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        return c * (x - cx) - s * (y - cy) + cx, s * (x - cx) + c * (y - cy) + cy
    return {
        "ShearX": (x + value * y, y),
        "ShearY": (x, y + value * x),
        "TranslateX": (x + value, y),
        "TranslateY": (x, y + value),
    }[name]


def mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """dcba|abcd|dcba, keras' "reflect"."""
    index = index % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


@pytest.mark.parametrize("magnitude", [9, 15, -15])
@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_by_direct_computation(name, magnitude, photo):
    value = strength(name, magnitude)
    out = OPERATIONS[name].apply(photo, value)
    x, y = sources(name, value, photo.shape[:2])
    clear = np.logical_and(*(np.abs(source % 1 - 0.5) > 0.01 for source in (x, y)))  # no ties
    x, y = (np.rint(source).astype(int) for source in (x, y))
    wanted = photo[mirrored(y, photo.shape[0]), mirrored(x, photo.shape[1])]
    np.testing.assert_array_equal(out[clear], wanted[clear])
    assert clear.mean() > 0.9
    assert (wanted != photo).any(-1).mean() > 0.9


def test_equals_timm_where_the_docs_say_so(photo):
    timm = pytest.importorskip("timm.data.auto_augment")
    for magnitude in (9, 10, 15):
        for name, operation in OPERATIONS.items():
            level = timm.LEVEL_TO_ARG[name]
            theirs = level(magnitude, dict(translate_const=20)) if level else ()
            ours = [strength(name, magnitude)] if operation.strength else []
            if name == "SolarizeAdd" and magnitude == 15:
                assert (ours, theirs) == ([165], (128,))
                continue
            if name == "Solarize" and magnitude == 15:
                assert (ours, theirs) == ([384], (256,))  # nothing is inverted either way
            else:
                assert ours == pytest.approx(np.abs(theirs))
            if name not in GEOMETRY:
                wanted = timm.NAME_TO_OP[name](Image.fromarray(photo), *theirs)
                np.testing.assert_array_equal(operation.apply(photo, *ours), np.asarray(wanted))


def test_images_are_bgr(photo):
    """Grey of the right weights: red counts 0.299, blue 0.114."""
    step = only("Color", num_layers=1, magnitude=0)  # factor 0.1
    bgr = photo[..., ::-1].copy()
    np.random.seed(1)
    outs = [step(dict(img=bgr))["img"] for _ in range(12)]
    changed = next(out for out in outs if not np.array_equal(out, bgr))
    wanted = expected("Color", photo, 0.1)[..., ::-1]
    np.testing.assert_allclose(changed, wanted, atol=2, rtol=0)


def share_of_inverted(**arguments) -> float:
    step = only("Invert", **arguments)
    np.random.seed(0)
    black = np.zeros((2, 2, 3), np.uint8)
    return np.mean([step(dict(img=black))["img"].all() for _ in range(1500)])


def test_probability_and_layers():
    # With one operation left a layer inverts in half of its draws: the other half draws nothing.
    assert share_of_inverted(num_layers=1, prob=1.0) == pytest.approx(0.5, abs=0.04)
    assert share_of_inverted(num_layers=1, prob=0.7) == pytest.approx(0.35, abs=0.04)
    assert share_of_inverted(num_layers=2, prob=0.7) == pytest.approx(2 * 0.35 * 0.65, abs=0.04)
    assert share_of_inverted(num_layers=2, prob=0.0) == 0


def test_operations_are_drawn_evenly():
    step = RandAugment(num_layers=1, magnitude=9, excluded=("Rotate", "Cutout"))
    assert step.names == [name for name in OPERATIONS if name != "Rotate"]
    np.random.seed(2)
    drawn = [draw and draw[0] for draw in (step._draw() for _ in range(6000))]
    shares = [drawn.count(name) / len(drawn) for name in (None, *step.names)]
    np.testing.assert_allclose(shares, 1 / 15, atol=0.015)
    assert sum(shares) == pytest.approx(1)


def test_signs_are_drawn(photo):
    step = only("TranslateX", num_layers=1, magnitude=10, translate_const=7)
    np.random.seed(3)
    outs = [step(dict(img=photo))["img"] for _ in range(600)]
    left = np.mean([np.array_equal(out[:, :-7], photo[:, 7:]) for out in outs])
    right = np.mean([np.array_equal(out[:, 7:], photo[:, :-7]) for out in outs])
    assert left == pytest.approx(0.25, abs=0.06)
    assert right == pytest.approx(0.25, abs=0.06)


def test_numpys_generator_draws(photo):
    step = RandAugment(magnitude=15)

    def drawn(seed: int) -> list[np.ndarray]:
        np.random.seed(seed)
        return [step(dict(img=photo))["img"] for _ in range(8)]

    assert all(np.array_equal(a, b) for a, b in zip(drawn(1), drawn(1), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(drawn(1), drawn(2), strict=True))
    assert {(out.shape, out.dtype.name) for out in drawn(3)} == {(photo.shape, "uint8")}


@pytest.mark.parametrize(
    ("model", "magnitude", "prob", "pixels"),
    [
        ("conv_s", 9, 0.5, 18),
        ("conv_m", 15, 0.7, 15),
        ("hybrid_m", 15, 0.7, 15),
        ("conv_l", 15, 1.0, 15),
        ("hybrid_l", 15, 1.0, 15),
    ],
)
def test_recipes_follow_the_paper(model, magnitude, prob, pixels):
    cfg = load_config(str(ROOT / f"configs/cls/mnv4_{model}_paper.py"))
    _, crop, augment, _ = cfg.train_dataloader.dataset.pipeline
    assert crop.type is InceptionCrop  # translations count pixels of the network's input
    step = RandAugment(**{key: value for key, value in augment.items() if key != "type"})
    assert (step.num_layers, step.magnitude, step.prob) == (2, magnitude, prob)
    shift = OPERATIONS["TranslateX"].strength(step.magnitude / 10, step.translate_const)
    assert shift == pixels
    assert step.names == list(OPERATIONS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(num_layers=0), "num_layers=0"),
        (dict(num_layers=1.5), "num_layers=1.5"),
        (dict(magnitude=31), "magnitude=31, allowed are 0 to 30"),
        (dict(prob=-0.1), "prob=-0.1"),
        (dict(translate_const=-1), "translate_const=-1"),
        (dict(excluded=("ShearZ",)), "'ShearZ'.*did you mean 'Shear"),
        (dict(excluded=tuple(OPERATIONS)), "no operation"),
    ],
)
def test_wrong_arguments(wrong, message):
    with pytest.raises(InputError, match=message):
        RandAugment(**wrong)
