"""Small segmentors end to end: files in, masks out, and one clear line for what is wrong."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from PIL import Image

from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.masks import read_mask
from mnv4_vision.seg import DeepLabHead, MobileLRASPPHead, MobileSegmentor, Segmenter
from mnv4_vision.seg.network_input import NetworkInput
from mnv4_vision.seg.predict import predict_files

CLASSES = ("sky", "road", "tree", "car", "sign")
PALETTE = [[70, 130, 180], [128, 64, 128], [107, 142, 35], [0, 0, 142], [220, 220, 0]]
MAPS = dict(in_channels=[16, 48], channels=16, num_classes=len(CLASSES))
HEADS = {
    "deeplab": dict(type=DeepLabHead, low_level_channels=8, **MAPS),
    "lraspp": dict(type=MobileLRASPPHead, **MAPS),
    "mmseg": dict(type="FCNHead", channels=16, in_channels=48, num_classes=len(CLASSES),
                  norm_cfg=dict(type="BN")),
}  # fmt: skip


def config(head: str = "deeplab", **model) -> Config:
    preprocessor = dict(type=SegDataPreProcessor, bgr_to_rgb=True, mean=[123.0, 116.0, 103.0],
                        std=[58.0, 57.0, 57.0], size_divisor=1)  # fmt: skip
    backbone = dict(type=MobileNetV4, arch="conv_s_035", out_indices=(1, 4))
    pipeline = [
        dict(type="LoadImage"),
        dict(type="CoverResize", scale=(96, 96)),
        dict(type="LoadMask"),
        dict(type="PackSegInputs"),
    ]
    model = (
        dict(
            type=MobileSegmentor,
            data_preprocessor=preprocessor,
            backbone=backbone,
            decode_head=HEADS[head],
            test_cfg=dict(mode="whole"),
        )
        | model
    )
    dataset = dict(pipeline=pipeline)
    return Config(dict(model=model, test_dataloader=dict(dataset=dataset), default_scope="mmseg"))


def build(cfg: Config) -> torch.nn.Module:
    """Build a model whose norms have the statistics of activations: as built they are idle."""
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.4, 0.8)
        torch.nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 128, 128), mode="tensor")
    for norm in norms:  # a channel that hardly moved would amplify rounding without bound
        norm.running_var.clamp_(min=norm.running_var.mean())
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=0.5)
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return build(config())


@pytest.fixture(scope="module")
def checkpoint(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("run") / "epoch_1.pth"
    meta = {"epoch": 1, "dataset_meta": {"classes": CLASSES, "palette": PALETTE}}
    torch.save({"meta": meta, "state_dict": model.state_dict()}, file)
    return file


@pytest.fixture(scope="module")
def photo():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 255, (12, 20, 3), dtype=np.uint8), (200, 120))


@pytest.fixture(scope="module")
def segmenter(checkpoint):
    return Segmenter(config(), checkpoint)


# The segmenter -------------------------------------------------------------------------------


def norms(model: torch.nn.Module) -> list:
    return [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]


@pytest.mark.parametrize("head", HEADS)
@torch.inference_mode()
def test_deployed_form_gives_the_same_logits(head):
    cfg = config(head, auxiliary_head=HEADS["mmseg"])
    model = build(cfg)
    image = torch.randn(1, 3, 96, 160)
    expected = model(image, mode="tensor")
    deployed = Segmenter.deployed(model)
    assert not deployed.with_auxiliary_head
    # DeepLab's projection is a sum of two convolutions, with one norm behind it.
    assert len(norms(deployed)) == (1 if head == "deeplab" else 0)
    assert expected.std() > 0.1
    logits = deployed(image, mode="tensor")
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4 * expected.std().item())
    assert logits.is_contiguous(memory_format=torch.channels_last)


def test_equals_mmsegs_own_inference(segmenter, model):
    from mmseg.apis import inference_model
    from mmseg.models import EncoderDecoder

    cfg = config(type=EncoderDecoder)
    theirs = MODELS.build(cfg.model).eval()
    theirs.load_state_dict(model.state_dict())
    steps = cfg.test_dataloader.dataset.pipeline
    theirs.cfg = ConfigDict(test_pipeline=[step for step in steps if step.type != "LoadMask"])
    generator = np.random.default_rng(1)
    for size, least in (((128, 96), 0.9999), ((200, 120), 0.985)):
        image = cv2.resize(generator.integers(0, 255, (9, 14, 3), dtype=np.uint8), size)
        expected = inference_model(theirs, image).pred_sem_seg.data[0].numpy()
        found = segmenter.segment(image)
        assert len(np.unique(expected)) > 2
        assert (found.labels == expected).mean() >= least
        assert found.labels.shape == size[::-1]
        assert found.labels.dtype == np.uint8
        assert found.time_ms > 0
    assert segmenter.class_names == CLASSES


class OtherPreprocessor(SegDataPreProcessor):
    """Unknown to `NetworkInput`, which has to call it."""


@pytest.mark.parametrize("kind", [SegDataPreProcessor, OtherPreprocessor])
@pytest.mark.parametrize(
    "settings",
    [
        dict(bgr_to_rgb=True),
        dict(test_cfg=dict(size_divisor=32), pad_val=7),
        dict(test_cfg=dict(size=(200, 300))),
        dict(mean=None, std=None),
    ],
    ids=["usual", "divisor", "size", "plain"],
)
def test_network_input_is_mmsegs(photo, kind, settings):
    cfg = config()
    options = dict(mean=[123.0, 116.0, 103.0], std=[58.0, 57.0, 57.0], size_divisor=1) | settings
    init_default_scope("mmseg")
    preprocessor = kind(**options)
    cover, pack = cfg.test_dataloader.dataset.pipeline[1::2]
    pipeline = Compose([dict(type="LoadImageFromNDArray"), cover, pack])
    expected = preprocessor({k: [v] for k, v in pipeline({"img": photo}).items()})
    found = NetworkInput(cfg, preprocessor)(photo)
    assert torch.equal(found["inputs"], expected["inputs"])
    assert found["data_samples"][0].metainfo == expected["data_samples"][0].metainfo


def test_files_and_arrays_agree(segmenter, photo, tmp_path):
    file = tmp_path / "photo.png"
    cv2.imwrite(str(file), photo)
    from_file, from_array = segmenter([file, photo])
    np.testing.assert_array_equal(from_file.labels, from_array.labels)


def test_padding_of_the_preprocessor_is_left_out(checkpoint, photo):
    padded = config()
    padded.model.data_preprocessor.test_cfg = dict(size_divisor=128)
    labels = Segmenter(padded, checkpoint).segment(photo).labels
    assert labels.shape == photo.shape[:2]
    assert len(np.unique(labels)) > 2


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 4), (0, 60, 3)])
def test_array_that_is_no_image(segmenter, shape):
    with pytest.raises(InputError, match=r"must be \(H, W, 3\) uint8 .* got \("):
        segmenter.segment(np.zeros(shape, np.uint8))


def test_other_device_and_no_file(checkpoint, segmenter, tmp_path):
    with pytest.raises(InputError, match="quantum"):
        Segmenter(config(), checkpoint, device="quantum")
    with pytest.raises(MissingFileError, match=r"absent\.jpg"):
        segmenter([tmp_path / "absent.jpg"])


def test_checkpoint_of_other_classes(checkpoint):
    cfg = config()
    cfg.model.decode_head.num_classes = 4
    with pytest.raises(InputError, match="trained for 5 classes"):
        Segmenter(cfg, checkpoint)


def test_more_classes_than_label_maps_hold(checkpoint, monkeypatch):
    monkeypatch.setattr("mnv4_vision.seg.inference.MAX_CLASSES", 4)
    with pytest.raises(InputError, match="has 5 classes, label maps hold 4 at most"):
        Segmenter(config(), checkpoint)


def test_colours_without_a_palette(model, tmp_path):
    bare = tmp_path / "bare.pth"
    torch.save(model.state_dict(), bare)
    cfg = config()
    with pytest.raises(InputError, match="names the classes"):
        Segmenter(cfg, bare)
    cfg.test_dataloader.dataset.metainfo = {"classes": CLASSES}
    assert len(set(Segmenter(cfg, bare).palette)) == len(CLASSES)


# Files ---------------------------------------------------------------------------------------


def test_predicted_files(segmenter, photo, tmp_path, capsys):
    files = [tmp_path / name for name in ("a.jpg", "b.png", "broken.jpg")]
    cv2.imwrite(str(files[0]), photo)
    cv2.imwrite(str(files[1]), photo[:, ::-1])
    files[2].write_bytes(files[0].read_bytes()[:500])
    out = tmp_path / "out"
    predict_files(segmenter, files, out)
    found = segmenter(files[:2])
    assert "broken.jpg" in capsys.readouterr().out
    names = {"a.jpg", "a.png", "b.jpg", "b.png", "segmentation.json", "sheet.jpg"}
    assert {file.name for file in out.iterdir()} == names
    for name, result in zip(("a", "b"), found, strict=True):
        np.testing.assert_array_equal(read_mask(out / f"{name}.png"), result.labels)
        overlay = cv2.imread(str(out / f"{name}.jpg"))
        assert overlay.shape[1] == photo.shape[1]
        assert overlay.shape[0] > photo.shape[0]  # the legend
    with Image.open(out / "a.png") as mask:
        assert mask.mode == "P"
        assert mask.getpalette()[: 3 * len(PALETTE)] == np.ravel(PALETTE).tolist()
    content = json.loads((out / "segmentation.json").read_text())
    assert len(content["images"]) == 2
    assert content["categories"] == list(CLASSES)
    for image, file, result in zip(content["images"], files, found, strict=False):
        assert (image["file"], image["mask"]) == (str(file), f"{file.stem}.png")
        shares = {c["category"]: c["share"] for c in image["classes"]}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        for category in image["classes"]:
            share = (result.labels == category["category_id"]).mean()
            assert category["share"] == pytest.approx(share, abs=1e-6)
            assert category["category"] == CLASSES[category["category_id"]]
