"""What a network sees in evaluation is what timm's evaluation shows it, weight by weight."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import MODELS
from PIL import Image

from mnv4_vision.cls import EvalCrop
from mnv4_vision.core.engine import RunOptions, prepare_config

ROOT = Path(__file__).resolve().parents[2]
CLOTHING = ROOT.parent / "shared" / "data" / "clothing" / "validation"
CONFIG = str(ROOT / "configs" / "cls" / "mnv4_conv_s_scratch.py")
WEIGHTS = [
    ("mobilenetv4_conv_small.e2400_r224_in1k", 224),
    ("mobilenetv4_conv_small.e2400_r224_in1k", 256),
    ("mobilenetv4_conv_small.e3600_r256_in1k", 256),
    ("mobilenetv4_conv_medium.e500_r256_in1k", 320),
    ("mobilenetv4_conv_large.e600_r384_in1k", 384),
    ("mobilenetv4_hybrid_large.ix_e600_r384_in1k", 448),
    ("mobilenetv3_large_100.ra_in1k", 224),
    ("mobileone_s0.apple_in1k", 224),
    ("mobilenetv3_large_100.miil_in21k_ft_in1k", 224),
    ("efficientnet_b0.ra_in1k", 224),
    ("efficientnet_b0.ra4_e3600_r224_in1k", 256),
    ("tf_mobilenetv3_large_minimal_100.in1k", 224),
]
MAX_DIFFERENCE = 1e-6  # of normalised values up to 2.7: float32 rounding


@pytest.fixture(scope="module")
def timm_data():
    return pytest.importorskip("timm.data")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[str]:
    """One generated photo, PNG, and two JPEGs with other sides and a grey one."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for name, (width, height) in {"a.png": (501, 333), "b.jpg": (300, 420)}.items():
        coarse = generator.integers(0, 256, (height // 9, width // 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (width, height)))
    Image.open(folder / "b.jpg").convert("L").save(folder / "grey.jpg")
    return [str(folder / name) for name in ("a.png", "b.jpg", "grey.jpg")]


def timm_input(timm_data, name: str, size: int, path: str) -> torch.Tensor:
    """Return what timm's `validate.py` makes of a file, `(1, 3, H, W)`."""
    import timm

    cfg = timm.get_pretrained_cfg(name).to_dict()
    at_test = (cfg.get("test_input_size") or cfg["input_size"])[-1]
    settings = timm_data.resolve_data_config(
        dict(img_size=size), pretrained_cfg=cfg, use_test_size=size >= at_test
    )
    assert settings["crop_mode"] == "center"
    assert settings["input_size"] == (3, size, size)
    transform = timm_data.create_transform(**settings)
    with Image.open(path) as image:
        return transform(image.convert("RGB"))[None]


def our_input(name: str, size: int, path: str) -> torch.Tensor:
    """Return what the prepared config makes of a file, `(1, 3, H, W)`."""
    model = name.partition(".")[0]
    own = model.startswith("mobilenetv4")
    options = RunOptions(CONFIG, backbone=None if own else model, pretrained=name, image_size=size)
    cfg = prepare_config(options, splits=())[0]
    packed = Compose(cfg.test_dataloader.dataset.pipeline)(dict(img_path=path))
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    return preprocessor({"inputs": [packed["inputs"]]})["inputs"]


@pytest.mark.parametrize(("name", "size"), WEIGHTS)
def test_inputs_are_equal(name, size, photos, timm_data):
    for path in photos:
        ours, theirs = our_input(name, size, path), timm_input(timm_data, name, size, path)
        assert ours.shape == theirs.shape == (1, 3, size, size)
        assert (ours - theirs).abs().max() < MAX_DIFFERENCE, path


def test_inputs_are_equal_on_real_photos(timm_data):
    if not CLOTHING.is_dir():
        pytest.skip(f"no photos at {CLOTHING}")
    for path in sorted(CLOTHING.rglob("*.jpg"))[:340:170]:
        for name, size in WEIGHTS[::2]:
            ours = our_input(name, size, str(path))
            difference = (ours - timm_input(timm_data, name, size, str(path))).abs().max()
            assert difference < MAX_DIFFERENCE, (name, path)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_inputs_that_are_not_square(interpolation, photos, timm_data):
    step = EvalCrop((256, 160), 0.9, interpolation)
    transform = timm_data.create_transform(
        (3, 160, 256), crop_pct=0.9, interpolation=interpolation, normalize=False
    )
    for path in photos:
        with Image.open(path) as image:
            wanted = transform(image.convert("RGB")).permute(1, 2, 0).numpy()
        ours = step(dict(img=cv2.imread(path)))["img"][..., ::-1]
        np.testing.assert_array_equal(ours, wanted)


def test_a_size_that_is_rounded_at_a_half(timm_data):
    """660 x 264 becomes 672.5 x 269, to which one more rounding error decides."""
    photo = np.random.default_rng(0).integers(0, 256, (264, 660, 3), dtype=np.uint8)
    transform = timm_data.create_transform(
        (3, 256, 320), crop_pct=0.95, interpolation="bilinear", normalize=False
    )
    wanted = transform(Image.fromarray(photo)).permute(1, 2, 0).numpy()
    ours = EvalCrop((320, 256), 0.95, "bilinear")(dict(img=photo))["img"]
    np.testing.assert_array_equal(ours, wanted)


def test_exif_rotation_is_ours_alone(photos, tmp_path, timm_data):
    """timm reads stored pixels; here the picture stands as a viewer shows it."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    turned = str(tmp_path / "turned.jpg")
    Image.open(photos[1]).save(turned, exif=exif, quality=95)
    upright = str(tmp_path / "upright.png")
    Image.open(turned).transpose(Image.Transpose.ROTATE_270).save(upright)
    name, size = WEIGHTS[0]
    ours = our_input(name, size, turned)
    assert (ours - timm_input(timm_data, name, size, upright)).abs().max() < MAX_DIFFERENCE
    assert (ours - timm_input(timm_data, name, size, turned)).abs().max() > 0.5
