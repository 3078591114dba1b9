"""The classifier against direct formulas: losses, soft labels, mixed batches, what it learns."""

import math

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from torch.nn import functional

from mnv4_vision.core.backbones import MobileNetV4Classifier
from mnv4_vision.core.classification import (
    BatchMixing,
    Classifier,
    ClassSample,
    SoftCrossEntropyLoss,
    fit_head,
)
from mnv4_vision.core.errors import InputError

CLASSES = 5


def tiny(**options) -> Classifier:
    torch.manual_seed(0)
    model = Classifier(
        backbone=dict(type="MobileNetV4", arch="conv_s_035", out_indices=(4,)),
        head=dict(type="MobileNetV4Head", arch="conv_s_035", in_channels=48, num_classes=CLASSES),
        **options,
    )
    return model


def samples(labels=(), scores=()) -> list[ClassSample]:
    made = [ClassSample() for _ in (*labels, *scores)]
    for sample, label in zip(made, labels, strict=False):
        sample.gt_label = label
    for sample, score in zip(made[len(labels) :], scores, strict=True):
        sample.gt_score = torch.tensor(score)
    return made


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_labels_is_torchs(smoothing):
    logits, labels = torch.randn(6, CLASSES), torch.tensor([0, 1, 4, 4, 2, 3])
    targets = functional.one_hot(labels, CLASSES).float()
    expected = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(SoftCrossEntropyLoss(smoothing)(logits, targets), expected)


def test_loss_of_soft_labels_is_the_sum():
    logits = torch.randn(4, CLASSES)
    targets = torch.rand(4, CLASSES).softmax(1)
    expected = -(targets * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(SoftCrossEntropyLoss()(logits, targets), expected)


def test_modes_agree():
    model = tiny().eval()
    images = torch.randn(3, 3, 64, 64)
    logits = model(images)
    predicted = model(images, samples(labels=[0, 1, 2]), mode="predict")
    for sample, row, label in zip(predicted, logits, range(3), strict=True):
        torch.testing.assert_close(sample.pred_score, row.softmax(0))
        assert sample.gt_label == label
    losses = model(images, samples(labels=[0, 1, 2]), mode="loss")
    expected = functional.cross_entropy(logits, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(losses["loss"], expected)
    right = (logits.argmax(1) == torch.arange(3)).float().mean()
    assert losses["accuracy"] == pytest.approx(100 * float(right))


def test_soft_labels_train_as_labels_do_where_they_are_certain():
    model = tiny().eval()
    images = torch.randn(2, 3, 64, 64)
    soft = samples(scores=[[0.0, 1, 0, 0, 0], [0.0, 0, 0, 0, 1]])
    torch.testing.assert_close(
        model(images, soft, mode="loss")["loss"],
        model(images, samples(labels=[1, 4]), mode="loss")["loss"],
    )


def test_l2_penalty_is_tensorflows():
    """`l2(l2_weight_decay / 2)`, `regularize_depthwise=False` (official/vision)."""
    model = tiny(l2_penalty=1e-3).eval()
    penalty = model(torch.randn(1, 3, 64, 64), samples(labels=[0]), mode="loss")["loss_l2"]
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    kernels = [m.weight for m in layers if getattr(m, "groups", 1) == 1]
    assert len(kernels) < len(layers)
    assert float(penalty.detach()) == pytest.approx(
        1e-3 / 2 * sum(float(k.detach().square().sum()) for k in kernels)
    )


def test_first_loss_of_few_classes_is_near_the_logarithm():
    model = tiny().train()
    loss = model(torch.randn(8, 3, 64, 64), samples(labels=[0] * 8), mode="loss")["loss"]
    assert float(loss.detach()) == pytest.approx(math.log(CLASSES), abs=0.8)


def test_checkpoint_has_the_names_of_the_network_alone():
    network = MobileNetV4Classifier("conv_s_035", num_classes=CLASSES)
    assert tiny().state_dict().keys() == network.state_dict().keys()


def test_it_learns_a_batch_by_heart():
    model = tiny().train()
    images = torch.randn(8, 3, 64, 64)
    wanted = samples(labels=[0, 1, 2, 3, 4, 0, 1, 2])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(25):
        losses = model(images, wanted, mode="loss")
        losses["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(losses["loss"].detach()) < 0.3
    assert float(losses["accuracy"]) == 100


def test_mixup_mixes_images_and_targets_by_one_share():
    torch.manual_seed(0)
    images, targets = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8), torch.eye(4)
    mixed, soft = BatchMixing(mixup_alpha=0.8, cutmix_alpha=0)(images, targets)
    share = float(soft[1, 1])
    assert 0 < share < 1
    torch.testing.assert_close(mixed[1], torch.full((3, 8, 8), share * 1))  # with image 0
    torch.testing.assert_close(soft[1], torch.tensor([1 - share, share, 0, 0]))
    torch.testing.assert_close(soft.sum(1), torch.ones(4))


def test_cutmix_targets_are_the_shares_of_the_pixels():
    images, targets = torch.arange(4.0).view(4, 1, 1, 1).repeat(1, 3, 16, 16), torch.eye(4)
    before = images.clone()
    mixing = BatchMixing(mixup_alpha=0, cutmix_alpha=1.0)
    for seed in range(50):
        torch.manual_seed(seed)
        mixed, soft = mixing(images, targets)
        for i in range(4):
            kept = float((mixed[i, 0] == i).float().mean())
            assert float(soft[i, i]) == pytest.approx(kept)
            assert float(soft[i, i - 1]) == pytest.approx(1 - kept)
    assert torch.equal(images, before)


def test_mixing_happens_as_often_as_asked():
    torch.manual_seed(0)
    images, targets = torch.randn(2, 3, 4, 4), torch.eye(2)
    mixing = BatchMixing(mixup_alpha=1.0, cutmix_alpha=0, prob=0.3)
    mixed = sum(not torch.equal(mixing(images, targets)[1], targets) for _ in range(2000))
    assert mixed / 2000 == pytest.approx(0.3, abs=0.04)


def test_images_that_are_mixed_keep_their_number():
    images, targets = torch.randn(1, 3, 4, 4), torch.eye(1)
    assert torch.equal(BatchMixing()(images, targets)[0], images)  # alone: nothing to mix with


@pytest.mark.parametrize(
    "arguments",
    [
        dict(prob=1.2),
        dict(mixup_alpha=-1),
        dict(mixup_alpha=0, cutmix_alpha=0),
        dict(switch_prob=2),
    ],
)
def test_impossible_mixing_is_refused(arguments):
    with pytest.raises(InputError, match="BatchMixing"):
        BatchMixing(**arguments)


def test_impossible_smoothing_is_refused():
    with pytest.raises(InputError, match=r"label_smoothing=1\.5"):
        SoftCrossEntropyLoss(1.5)


@pytest.mark.parametrize(
    ("backbone", "kind"),
    [
        (dict(type="MobileNetV4", arch="conv_s_035", out_indices=(4,), bn_eps=1e-3), "MobileNetV4"),
        (dict(type="TimmBackbone", model_name="mobilenetv3_small_050", out_indices=(4,)), "Timm"),
    ],
)
def test_head_follows_the_backbone(backbone, kind):
    head = dict(type="MobileNetV4Head", arch="conv_l", in_channels=1, num_classes=7, drop_rate=0.3)
    model = ConfigDict(backbone=backbone, head=head)
    channels = MODELS.build(backbone).out_channels[-1]
    fit_head(model, channels)
    assert model.head.type == f"{kind}Head"
    assert (model.head.num_classes, model.head.drop_rate) == (7, 0.3)
    assert Classifier(**model).eval()(torch.randn(1, 3, 64, 64)).shape == (1, 7)
    if "bn_eps" in backbone:
        assert model.head.bn_eps == 1e-3


def test_other_heads_get_the_channels():
    model = ConfigDict(
        backbone=dict(type="MobileNetV4", arch="conv_s_035"),
        head=dict(type="LinearHead", in_channels=1, num_classes=7),
    )
    fit_head(model, 48)
    assert model.head == dict(type="LinearHead", in_channels=48, num_classes=7)
