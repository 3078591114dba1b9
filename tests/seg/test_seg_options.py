"""Each option of a recipe changes what it says: gradients, drawings, heads."""

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmengine.utils import get_object_from_string
from mmseg.models import MobileNetV3
from mmseg.models.decode_heads import FCNHead
from mmseg.structures import SegDataSample
from torch.nn import functional

from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.class_balance import ClassBalancedSampler
from mnv4_vision.seg.options import OPTIONS, AuxiliaryHead, HardPixelSampler, apply_options

CLASSES = 3


def config(**keys) -> Config:
    """The keys of a segmentation config that options touch."""
    return Config(
        dict(
            model=dict(
                backbone=dict(type=MobileNetV4, arch="conv_s_035", out_indices=(1, 4)),
                decode_head=dict(type=FCNHead, in_channels=[16, 48], num_classes=CLASSES),
            ),
            train_dataloader=dict(sampler=dict(type="DefaultSampler", shuffle=True)),
            **keys,
        )
    )


def test_nothing_asked_for_changes_nothing():
    cfg = config(ohem=False, auxiliary=None)
    apply_options(cfg)
    assert cfg.to_dict() == config().to_dict()


def test_options_reach_their_places_and_leave_the_config():
    cfg = config(**dict.fromkeys(OPTIONS, True), custom_hooks=[dict(type="EMAHook")])
    apply_options(cfg)
    assert cfg.custom_hooks[0].type == "EMAHook"
    placed = {
        "class_balance": cfg.train_dataloader.sampler,
        "class_weights": cfg.custom_hooks[1],
        "ohem": cfg.model.decode_head.sampler,
        "auxiliary": cfg.model.auxiliary_head,
    }
    for key, option in placed.items():
        # A path and not a class: the config is written to a file.
        assert get_object_from_string(option.type).__name__ == OPTIONS[key][0]
    assert not set(OPTIONS) & set(cfg)


def test_option_with_values():
    cfg = config(class_balance=dict(type=ClassBalancedSampler, threshold=0.3))
    apply_options(cfg)
    assert cfg.train_dataloader.sampler.threshold == 0.3


@pytest.mark.parametrize("value", ["yes", dict(threshold=0.3), 0.1])
def test_other_values_are_refused(value):
    with pytest.raises(InputError, match=r"class_balance=.*takes True, False or a dict with a typ"):
        apply_options(config(class_balance=value))


def labelled(labels: torch.Tensor) -> list[SegDataSample]:
    return [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in labels]


def pixels_with_gradient(sampler: dict | None, logits: torch.Tensor, labels) -> torch.Tensor:
    """Where the loss of a head with this sampler depends on the logits."""
    head = FCNHead(
        in_channels=4, channels=4, num_convs=0, concat_input=False, num_classes=CLASSES,
        sampler=sampler,
    )  # fmt: skip
    logits = logits.clone().requires_grad_()
    head.loss_by_feat(logits, labelled(labels))["loss_ce"].backward()
    return logits.grad.abs().sum(1) > 0


def test_hard_pixels_alone_have_gradients():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, CLASSES, 16, 16, generator=generator)
    labels = torch.randint(0, CLASSES, (2, 16, 16), generator=generator)
    labels[:, :4] = 255
    counted = labels != 255
    assert torch.equal(pixels_with_gradient(None, logits, labels), counted)
    index = labels.where(counted, 0)[:, None]
    probability = functional.softmax(logits, 1).gather(1, index)[:, 0]
    hard = (probability < 0.6) & counted
    assert 0 < hard.sum() < counted.sum()
    sampler = dict(type=HardPixelSampler, thresh=0.6, min_share=0.01)
    assert torch.equal(pixels_with_gradient(sampler, logits, labels), hard)


def test_share_of_hardest_pixels_is_kept_whatever_the_size():
    generator = torch.Generator().manual_seed(0)
    for side in (8, 16):
        logits = torch.zeros(1, CLASSES, side, side)
        logits[:, 0] = 5 + torch.rand(side, side, generator=generator)  # all sure, all right
        labels = torch.zeros(1, side, side, dtype=torch.long)
        sampler = dict(type=HardPixelSampler, thresh=0.1, min_share=0.25)
        kept = pixels_with_gradient(sampler, logits, labels)
        assert kept.sum() == side * side // 4
        assert logits[:, 0][kept].max() <= logits[:, 0][~kept].min()


def test_wrong_share_is_named():
    with pytest.raises(InputError, match="HardPixelSampler: min_share=20, allowed are 0 to 1"):
        HardPixelSampler(None, min_share=20)


def test_auxiliary_head_reads_c4_and_the_decode_head_its_old_maps():
    cfg = config(auxiliary=True)
    apply_options(cfg)
    assert cfg.model.backbone.out_indices == (1, 3, 4)
    assert cfg.model.decode_head.in_index == [0, 2]
    assert cfg.model.auxiliary_head.in_index == 1
    before = config(auxiliary=True)
    before.model.backbone.out_indices = (2, 3, 4)
    before.model.decode_head.in_index = [0, 1]
    apply_options(before)
    assert before.model.backbone.out_indices == (2, 3, 4)
    assert before.model.decode_head.in_index == [0, 1]
    assert before.model.auxiliary_head.in_index == 1


def test_auxiliary_head_beside_one_of_a_single_map():
    cfg = config(auxiliary=True)
    cfg.model.backbone.out_indices = (2, 4)
    cfg.model.decode_head = dict(type=FCNHead, in_channels=48, num_classes=CLASSES)
    apply_options(cfg)
    assert cfg.model.backbone.out_indices == (2, 3, 4)
    assert cfg.model.decode_head.in_index == 2


def test_auxiliary_head_needs_to_know_c4():
    cfg = config(auxiliary=True)
    cfg.model.backbone = dict(type=MobileNetV3, arch="large", out_indices=(1, 3, 16))
    with pytest.raises(InputError, match="does not say which of its maps is C4"):
        apply_options(cfg)


def test_auxiliary_loss_has_its_weight():
    head = AuxiliaryHead(in_channels=8, num_classes=CLASSES, in_index=1)
    logits = torch.randn(2, CLASSES, 8, 8)
    labels = torch.randint(0, CLASSES, (2, 8, 8))
    loss = head.loss_by_feat(logits, labelled(labels))["loss_ce"]
    assert loss == pytest.approx(0.4 * functional.cross_entropy(logits, labels).item())


def test_second_auxiliary_head_is_refused():
    cfg = config(auxiliary=True)
    cfg.model.auxiliary_head = dict(type=FCNHead)
    with pytest.raises(InputError, match="has an auxiliary_head already"):
        apply_options(cfg)
