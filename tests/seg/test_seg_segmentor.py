"""`MobileSegmentor` against mmseg's `EncoderDecoder`: weights, labels, windows, scales."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.nn import functional

from mnv4_vision.core.errors import InputError
from mnv4_vision.seg import DeepLabHead, MobileLRASPPHead, MobileSegmentor
from mnv4_vision.seg.models.looks import Looks, window_ranges

CLASSES = 12
SLIDE = dict(mode="slide", crop_size=(96, 96), stride=(64, 64))
HEADS = {
    "deeplab": dict(type=DeepLabHead, in_channels=[24, 96], channels=16, low_level_channels=8),
    "lraspp": dict(type=MobileLRASPPHead, in_channels=[24, 96], channels=16),
}


def config(head: str, **settings) -> dict:
    decode_head = HEADS[head] | dict(num_classes=CLASSES) | settings.pop("decode_head", {})
    backbone = dict(type="MobileNetV2", widen_factor=1.0, strides=(1, 2, 2, 2, 1, 1, 1),
                    dilations=(1, 1, 1, 1, 1, 1, 1), out_indices=(1, 4))  # fmt: skip
    return dict(backbone=backbone, decode_head=decode_head, train_cfg={}) | settings


def build(kind: type, head: str, **settings) -> EncoderDecoder:
    cfg = ConfigDict(type=kind, **config(head, **settings))
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(photos(4), mode="tensor")
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=0.5)
    return model.eval()


def photos(number: int = 2, size: tuple[int, int] = (128, 160)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(number)
    coarse = torch.randn(number, 3, 6, 7, generator=generator)
    return functional.interpolate(coarse, size, mode="bicubic")


def samples(number: int, size: tuple[int, int], **meta) -> list[SegDataSample]:
    meta = dict(ori_shape=size, img_shape=(128, 160)) | meta
    return [SegDataSample(metainfo=meta) for _ in range(number)]


def labels_of(found: list[SegDataSample]) -> torch.Tensor:
    return torch.stack([sample.pred_sem_seg.data[0] for sample in found]).long()


def pair(head: str, **settings) -> tuple[MobileSegmentor, EncoderDecoder]:
    settings = dict(test_cfg=dict(mode="whole")) | settings
    ours, theirs = build(MobileSegmentor, head, **settings), build(EncoderDecoder, head, **settings)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_labels_are_mmsegs(head):
    ours, theirs = pair(head)
    for size, least in (((128, 160), 1.0), ((90, 113), 0.985), ((200, 250), 0.985)):
        expected = theirs.predict(photos(), samples(2, size))
        found = ours.predict(photos(), samples(2, size))
        assert labels_of(found).unique().numel() > 3
        assert (labels_of(found) == labels_of(expected)).float().mean() >= least
        assert "seg_logits" not in found[0]
        assert found[0].pred_sem_seg.data.dtype == torch.uint8
        assert found[0].pred_sem_seg.shape == size


@torch.no_grad()
def test_padding_flip_and_no_samples():
    ours, theirs = pair("deeplab")
    for meta in (
        dict(img_padding_size=(0, 16, 0, 24), img_shape=(104, 144)),
        dict(flip=True, flip_direction="horizontal"),
        dict(flip=True, flip_direction="vertical"),
    ):
        size = meta.get("img_shape", (128, 160))
        expected = theirs.predict(photos(), samples(2, size, pad_shape=(128, 160), **meta))
        found = ours.predict(photos(), samples(2, size, **meta))
        assert torch.equal(labels_of(found), labels_of(expected))
    plain = labels_of(ours.predict(photos(), samples(2, (128, 160))))
    assert torch.equal(labels_of(ours.predict(photos())), plain)


@torch.no_grad()
def test_one_sigmoid_for_two_classes():
    head = dict(num_classes=2, out_channels=1, threshold=0.6)
    ours, theirs = pair("lraspp", decode_head=head)
    expected = labels_of(theirs.predict(photos(), samples(2, (128, 160))))
    assert 0.05 < expected.float().mean() < 0.95
    assert torch.equal(labels_of(ours.predict(photos(), samples(2, (128, 160)))), expected)
    ours.test_cfg = ConfigDict(flip=True)
    flipped = labels_of(ours.predict(photos(), samples(2, (128, 160))))
    assert 0.8 < (flipped == expected).float().mean() < 1


def test_training_is_mmsegs():
    ours, theirs = pair("deeplab")
    truth = SegDataSample(metainfo=dict(ori_shape=(128, 160)))
    truth.gt_sem_seg = PixelData(data=torch.arange(128 * 160).view(1, 128, 160) % CLASSES)
    losses = [model.loss(photos(2), [truth, truth])["decode.loss_ce"] for model in (ours, theirs)]
    assert losses[0] == losses[1] > 0
    assert torch.equal(ours(photos(2), mode="tensor"), theirs(photos(2), mode="tensor"))


# Windows -------------------------------------------------------------------------------------


def test_windows_cover_the_side_on_the_grid():
    assert window_ranges(96, 128, 64) == [range(0, 96)]
    assert window_ranges(256, 128, 96) == [range(0, 128), range(96, 224), range(128, 256)]
    assert window_ranges(270, 128, 64)[-1] == range(128, 270)
    for length in range(1, 400, 7):
        windows = window_ranges(length, 64, 32)
        assert set().union(*windows) == set(range(length))
        assert all(window.start % 32 == 0 for window in windows)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [(128, 160), (96, 64)])
@torch.no_grad()
def test_windows_are_mmsegs(head, size):
    ours, theirs = pair(head, test_cfg=SLIDE)
    meta = dict(img_shape=size, pad_shape=size)
    expected = labels_of(theirs.predict(photos(2, size), samples(2, size, **meta)))
    found = labels_of(ours.predict(photos(2, size), samples(2, size, **meta)))
    agree = (found == expected).float().mean()
    if size == (96, 64):  # a single window
        assert agree == 1
        return
    ours.test_cfg = None
    whole = labels_of(ours.predict(photos(2, size), samples(2, size, **meta)))
    assert (whole == expected).float().mean() < 0.97 < agree


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("size", "least"), [((140, 148), 0.97), ((141, 150), 0.87)])
@torch.no_grad()
def test_windows_of_a_size_off_the_grid(head, size, least):
    ours, image = build(MobileSegmentor, head, test_cfg=SLIDE), photos(1, size)
    total, count = torch.zeros(1, CLASSES, *size), torch.zeros(size)
    for rows in (slice(0, 96), slice(32, size[0])):
        for columns in (slice(0, 96), slice(32, size[1])):
            window = image[:, :, rows, columns]
            logits = functional.interpolate(
                ours(window, mode="tensor"), window.shape[2:], mode="bilinear"
            )
            total[:, :, rows, columns] += logits
            count[rows, columns] += 1
    found = labels_of(ours.predict(image, samples(1, size)))
    agree = (found == (total / count).argmax(1)).float().mean()
    # Where the head's stride, 4, does not divide the size, a map ends up to 3 px beyond the image.
    assert agree > least


@torch.no_grad()
def test_windows_without_overlap_are_single_images():
    ours = build(
        MobileSegmentor, "deeplab", test_cfg=dict(mode="slide", crop_size=[64, 64], stride=[64, 64])
    )
    image = photos(1, (128, 64))
    found = ours._averaged_logits(image, Looks.of(ours.test_cfg))
    parts = [ours(image[:, :, row : row + 64], mode="tensor") for row in (0, 64)]
    assert torch.equal(found, torch.cat(parts, 2))


# Scales and mirroring ------------------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_scales_and_flips_are_averaged(head):
    ours, theirs = pair(head, test_cfg=dict(scales=(0.75, 1.0, 1.25), flip=True))
    image, total = photos(1), 0
    for scale in (0.75, 1.0, 1.25):
        for mirrored in (False, True):
            size = (round(128 * scale), round(160 * scale))
            seen = functional.interpolate(image, size, mode="bilinear")
            logits = theirs(seen.flip(3) if mirrored else seen, mode="tensor")
            logits = functional.interpolate(logits, (128, 160), mode="bilinear")
            total = total + (logits.flip(3) if mirrored else logits).softmax(1)
    found = labels_of(ours.predict(image, samples(1, (128, 160))))
    single = labels_of(pair(head)[0].predict(image, samples(1, (128, 160))))
    agree = (found == total.argmax(1)).float().mean()
    assert agree > 0.95
    assert (single == total.argmax(1)).float().mean() < agree


@pytest.mark.parametrize(
    ("test_cfg", "words"),
    [
        (dict(mode="slides"), "mode='slides'; it takes 'whole' or 'slide'"),
        (dict(mod="slide"), "test_cfg.mod is unknown .did you mean 'mode'"),
        (dict(mode="slide"), "crop_size=None"),
        (dict(mode="slide", crop_size=(769, 769), stride=(512, 512)), "multiples of 32"),
        (dict(mode="slide", crop_size=(64, 64), stride=(96, 64)), r"at most crop_size=\(64, 64\)"),
        (dict(scales=(0, 1)), r"scales=\(0, 1\); it takes"),
        (dict(scales=1.0), "scales=1.0"),
        (dict(flip="yes"), "flip='yes'; it takes True or False"),
    ],
)
def test_wrong_test_cfg_is_refused_when_the_model_is_built(test_cfg, words):
    with pytest.raises(InputError, match=words):
        MODELS.build(dict(type=MobileSegmentor, **config("lraspp", test_cfg=test_cfg)))


def test_heads_that_decode_themselves_are_refused():
    class OwnHead(MobileLRASPPHead):
        def predict_by_feat(self, seg_logits, batch_img_metas):
            return seg_logits

    with pytest.raises(InputError, match="OwnHead has a predict_by_feat of its own"):
        MODELS.build(dict(type=MobileSegmentor, **config("lraspp", decode_head=dict(type=OwnHead))))
