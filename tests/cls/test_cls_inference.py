"""Small classifiers end to end: files in, probabilities out, and one line for what is wrong."""

import copy
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import MODELS

from mnv4_vision.cls.evaluation import ValLossHook
from mnv4_vision.cls.inference import ImageClassifier
from mnv4_vision.cls.network_input import NetworkInput
from mnv4_vision.cls.predict import predict_files
from mnv4_vision.cls.transforms import EvalCrop, PackImage
from mnv4_vision.core.backbones import MobileNetV4, MobileNetV4Head, TimmBackbone
from mnv4_vision.core.classification import (
    Classifier,
    ClassSample,
    ImagePreprocessor,
    LinearHead,
    TimmHead,
)
from mnv4_vision.core.classification.classifier import targets_of
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import LoadImage

CLASSES = ("coat", "dress", "hat", "shirt", "shoe", "skirt")
OWN = dict(type=MobileNetV4, arch="conv_s_035", out_indices=(4,))
TIMM = dict(type=TimmBackbone, model_name="mobilenetv3_small_050", out_indices=(4,))
MODELS_BY_HEAD = {
    "own": (OWN, dict(type=MobileNetV4Head, arch="conv_s_035", in_channels=48)),
    "linear": (OWN, dict(type=LinearHead, in_channels=48)),
    "timm": (TIMM, dict(type=TimmHead, model_name="mobilenetv3_small_050")),
}
USUAL = dict(type=ImagePreprocessor, bgr_to_rgb=True, mean=[123.0, 116.0, 103.0],
             std=[58.0, 57.0, 57.0])  # fmt: skip


def config(head: str = "own") -> Config:
    backbone, head = copy.deepcopy(MODELS_BY_HEAD[head])
    head["num_classes"] = len(CLASSES)
    loss = dict(type="SoftCrossEntropyLoss", label_smoothing=0.1)
    model = dict(
        type=Classifier, data_preprocessor=dict(USUAL), backbone=backbone, head=head, loss=loss
    )
    pipeline = [
        dict(type=LoadImage),
        dict(type=EvalCrop, scale=(96, 96), crop_pct=0.9),
        dict(type=PackImage),
    ]
    return Config(dict(model=model, test_dataloader=dict(dataset=dict(pipeline=pipeline))))


def build(cfg: Config) -> Classifier:
    """Build a model whose norms have the statistics of activations: as built they are idle."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.4, 0.8)
        torch.nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 128, 128))
    for norm in norms:  # a channel that hardly moved would amplify rounding without bound
        norm.running_var.clamp_(min=norm.running_var.mean())
    for module in model.head.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return build(config())


def save(model, file, meta=None):
    meta = {"dataset_meta": {"classes": CLASSES}} if meta is None else meta
    torch.save({"meta": meta, "state_dict": model.state_dict()}, file)
    return file


@pytest.fixture(scope="module")
def checkpoint(model, tmp_path_factory):
    return save(model, tmp_path_factory.mktemp("run") / "epoch_1.pth")


@pytest.fixture(scope="module")
def photo():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 255, (12, 20, 3), dtype=np.uint8), (200, 120))


@pytest.fixture(scope="module")
def classifier(checkpoint):
    return ImageClassifier(config(), checkpoint)


# The classifier ------------------------------------------------------------------------------


@pytest.mark.parametrize("head", MODELS_BY_HEAD)
@torch.inference_mode()
def test_deployed_scores_are_the_models(head, photo, tmp_path):
    cfg = config(head)
    model = build(cfg)
    deployed = ImageClassifier(cfg, save(model, tmp_path / "x.pth"))
    (sample,) = model.test_step(
        {k: [v] for k, v in Compose(cfg.test_dataloader.dataset.pipeline[1:])(
            {"img": photo, "img_path": None}).items()}
    )  # fmt: skip
    result = deployed.classify(photo)
    np.testing.assert_allclose(result.scores, sample.pred_score.numpy(), atol=2e-5)
    assert result.scores.sum() == pytest.approx(1, abs=1e-5)
    assert np.ptp(result.scores) > 0.05  # else the comparison says nothing
    assert (np.diff(result.scores[result.labels]) <= 0).all()
    assert result.time_ms > 0
    norms = [m for m in deployed.model.head.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not norms or head == "timm"  # timm's own blocks keep theirs


class OtherPreprocessor(ImgDataPreprocessor):
    """Unknown to `NetworkInput`, which has to call it."""


@pytest.mark.parametrize("kind", [ImagePreprocessor, OtherPreprocessor])
@pytest.mark.parametrize(
    "settings",
    [{}, dict(pad_size_divisor=64, pad_value=7), dict(mean=None, std=None, bgr_to_rgb=False)],
    ids=["usual", "padded", "plain"],
)
def test_network_input_is_mmengines(photo, kind, settings):
    cfg = config()
    options = {key: value for key, value in USUAL.items() if key != "type"} | settings
    preprocessor = kind(**options)
    pipeline = Compose(cfg.test_dataloader.dataset.pipeline[1:])
    packed = pipeline({"img": photo, "ori_shape": photo.shape[:2], "img_path": None})
    expected = preprocessor({key: [value] for key, value in packed.items()})
    found = NetworkInput(cfg, preprocessor)(photo)
    assert torch.equal(found["inputs"], expected["inputs"])
    assert found["data_samples"][0].metainfo == expected["data_samples"][0].metainfo


def test_files_and_arrays_agree(classifier, photo, tmp_path):
    file = tmp_path / "photo.png"
    cv2.imwrite(str(file), photo)
    from_file, from_array = classifier([file, photo])
    np.testing.assert_array_equal(from_file.scores, from_array.scores)


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 4), (0, 60, 3)])
def test_array_that_is_no_image(classifier, shape):
    with pytest.raises(InputError, match=r"must be \(H, W, 3\) uint8 .* got \("):
        classifier.classify(np.zeros(shape, np.uint8))


def test_other_device_and_no_file(checkpoint, classifier, tmp_path):
    with pytest.raises(InputError, match="quantum"):
        ImageClassifier(config(), checkpoint, device="quantum")
    with pytest.raises(MissingFileError, match=r"absent\.jpg"):
        classifier([tmp_path / "absent.jpg"])


def test_checkpoint_of_other_classes(checkpoint):
    cfg = config()
    cfg.model.head.num_classes = 4
    with pytest.raises(InputError, match="trained for 6 classes"):
        ImageClassifier(cfg, checkpoint)


def test_names_of_the_classes(model, tmp_path):
    bare = save(model, tmp_path / "bare.pth", meta={})
    cfg = config()
    with pytest.raises(InputError, match="names the classes"):
        ImageClassifier(cfg, bare)
    cfg.test_dataloader.dataset.metainfo = {"classes": CLASSES[:5]}
    with pytest.raises(InputError, match=r"bare\.pth is of 6 classes, but 5 are named"):
        ImageClassifier(cfg, bare)
    cfg.test_dataloader.dataset.metainfo = {"classes": CLASSES}
    assert ImageClassifier(cfg, bare).class_names == CLASSES


# Files ---------------------------------------------------------------------------------------


def test_predicted_files(classifier, photo, tmp_path, capsys):
    files = [tmp_path / name for name in ("a.png", "b.png", "tiny.png", "broken.png")]
    cv2.imwrite(str(files[0]), photo)
    cv2.imwrite(str(files[1]), photo[:, ::-1])
    cv2.imwrite(str(files[2]), photo[:20, :24])
    files[3].write_bytes(files[0].read_bytes()[:500])
    out = tmp_path / "out"
    predict_files(classifier, files, out)
    printed = capsys.readouterr().out
    assert "broken.png" in printed
    names = {"a.jpg", "b.jpg", "tiny.jpg", "classification.json", "sheet.jpg"}
    assert {file.name for file in out.iterdir()} == names
    copies = [cv2.imread(str(out / f"{name}.jpg")) for name in ("a", "tiny")]
    assert copies[0].shape[1] == photo.shape[1]
    assert abs(copies[0][:120].astype(int) - photo).mean() < 10  # the photo, then the classes
    assert (copies[0][120:] < 100).any()
    assert copies[1].shape[1] > 24  # widened for the text
    content = json.loads((out / "classification.json").read_text())
    assert content["categories"] == list(CLASSES)
    for image, file, result in zip(
        content["images"], files[:3], classifier(files[:3]), strict=True
    ):
        assert image["file"] == str(file)
        assert [c["category_id"] for c in image["classes"]] == result.labels[:5].tolist()
        for category in image["classes"]:
            number = category["category_id"]
            assert category["category"] == CLASSES[number]
            assert category["score"] == pytest.approx(result.scores[number], abs=1e-6)
        best = image["classes"][0]
        assert f"{file}: {best['category']} {100 * best['score']:.1f} %" in printed


# The loss of a validation --------------------------------------------------------------------


class OneRunner:
    def __init__(self, model, num_images):
        self.model = model
        loader = type("Loader", (), {"dataset": range(num_images)})
        self.val_dataloader = self.test_dataloader = loader


def make_batch(seed: int, num_images: int, *, soft: bool = False) -> dict:
    random = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 255, (num_images, 3, 64, 64), generator=random, dtype=torch.uint8)
    samples = []
    for number in range(num_images):
        sample = ClassSample()
        if soft:
            sample.gt_score = torch.rand(len(CLASSES), generator=random).softmax(0)
        else:
            sample.gt_label = (seed + number) % len(CLASSES)
        samples.append(sample)
    return {"inputs": list(inputs), "data_samples": samples}


def validate(model, batches, **options) -> dict[str, float]:
    """Run the hook around `val_step`, as mmengine's loop does; return the metrics."""
    num_images = sum(len(batch["inputs"]) for batch in batches)
    hook, runner, metrics = ValLossHook(**options), OneRunner(model, num_images), {"cls/top1": 0.5}
    hook.before_val_epoch(runner)
    for index, batch in enumerate(batches):
        with torch.no_grad():
            outputs = model.val_step(batch)
        hook.after_val_iter(runner, index, batch, outputs)
    hook.after_val_epoch(runner, metrics)
    assert "forward" not in vars(model.head)  # nothing listens any more
    return metrics


@pytest.mark.parametrize("soft", [False, True])
@torch.no_grad()
def test_validation_loss_is_the_trainings(model, soft):
    batches = [make_batch(1, 3, soft=soft), make_batch(2, 1, soft=soft)]
    metrics = validate(model, batches)
    losses = []
    for batch in batches:
        data = model.data_preprocessor(batch, False)
        losses.append(float(model(**data, mode="loss")["loss"]))
    assert list(metrics) == ["cls/top1", "loss"]
    # Images count alike, whatever the sizes of their batches.
    assert metrics["loss"] == pytest.approx((3 * losses[0] + losses[1]) / 4, rel=1e-5)
    data = model.data_preprocessor(batches[0], False)
    targets = 0.9 * targets_of(data["data_samples"], 6, "cpu") + 0.1 / 6
    by_hand = -(targets * model(data["inputs"]).log_softmax(1)).sum(1).mean()
    assert losses[0] == pytest.approx(float(by_hand), rel=1e-5)


def test_large_data_sets_take_a_part_of_the_batches(model):
    batches = [make_batch(seed, 1) for seed in range(4)]
    part = validate(model, batches, max_images=2)["loss"]
    assert part == pytest.approx(validate(model, batches[::2])["loss"])
    assert part != validate(model, batches)["loss"]
