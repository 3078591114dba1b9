"""Exact learning rates of named parameters, in the models of every task."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mnv4_vision.core.backbones import MobileNetV4, TimmBackbone, to_timm
from mnv4_vision.core.backbones.depth import layer_depths
from mnv4_vision.core.classification import Classifier
from mnv4_vision.core.engine import load_config, optim
from mnv4_vision.core.errors import InputError

LR, DECAY = 0.1, 0.05


class Model(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.neck = nn.Conv2d(4, 4, 1)
        self.bbox_head = nn.Linear(4, 2)


def build(model, constructor="LayerDecayConstructor", **paramwise):
    optimizer = dict(type="AdamW", lr=LR, weight_decay=DECAY)
    options = {"paramwise_cfg": paramwise} if paramwise else {}
    return build_optim_wrapper(model, dict(optimizer=optimizer, constructor=constructor, **options))


def rates(model, wrapper) -> dict[str, tuple[float, float]]:
    """Learning rate as a share of the whole one, and weight decay, of every parameter."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"] / LR, group["weight_decay"])
        for group in wrapper.optimizer.param_groups
        for parameter in group["params"]
    }


def test_factors_of_named_parameters_by_stage():
    model = Model(MobileNetV4("conv_s_035"))
    wrapper = build(model, decay_rate=0.5, decay_type="stage_wise")
    found = rates(model, wrapper)
    assert found.keys() == dict(model.named_parameters()).keys()
    for name, expected in {
        "bbox_head.weight": (1, DECAY),
        "bbox_head.bias": (1, 0),
        "neck.weight": (1, DECAY),
        "backbone.stages.3.0.start_dw.conv.weight": (0.5, DECAY),
        "backbone.stages.3.5.project.bn.weight": (0.5, 0),
        "backbone.stages.2.0.start_dw.conv.weight": (0.25, DECAY),
        "backbone.stages.1.1.conv.weight": (0.125, DECAY),
        "backbone.stages.0.0.bn.bias": (0.0625, 0),
        "backbone.stem.conv.weight": (0.03125, DECAY),
    }.items():
        assert found[name] == pytest.approx(expected), name
    assert len(wrapper.optimizer.param_groups) == 2 * 6
    assert wrapper.get_lr()["base_lr"] == [LR]
    assert wrapper.get_lr()["lr"][0] == LR


def test_factors_of_named_parameters_by_block():
    model = Model(MobileNetV4("conv_s_035"))
    found = rates(model, build(model, decay_rate=0.9))
    blocks = [len(stage) for stage in model.backbone.stages]
    assert blocks == [2, 2, 6, 6]
    for name, power in {
        "neck.bias": 0,
        "backbone.stages.3.5.project.conv.weight": 1,
        "backbone.stages.3.0.project.conv.weight": 6,
        "backbone.stages.2.5.project.conv.weight": 7,
        "backbone.stages.0.1.conv.weight": 15,
        "backbone.stages.0.0.conv.weight": 16,
        "backbone.stem.conv.weight": 17,
    }.items():
        assert found[name][0] == pytest.approx(0.9**power), name


@pytest.mark.parametrize("by_stage", [True, False])
def test_layers_are_those_of_timm(by_stage):
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        backbone = MobileNetV4("hybrid_m")
        network = timm.create_model("mobilenetv4_hybrid_medium")
    depths = layer_depths(backbone, by_stage)
    matcher = network.group_matcher(coarse=by_stage)
    known = timm.models.group_parameters(network, matcher, reverse=True)
    state = {f"backbone.{name}": torch.tensor(depth) for name, depth in depths.items()}
    for name, depth in to_timm(state, "hybrid_m").items():
        assert known[name] == depth, name
    assert max(depths.values()) == (4 if by_stage else 31)


@pytest.mark.parametrize(
    ("name", "by_stage"),
    [
        ("mobilenetv3_small_100", True),
        ("mobilenetv3_small_100", False),
        ("mobileone_s0", False),
        ("mobilenetv5_base", True),
    ],
)
def test_factors_of_timm_networks_are_those_of_timm(name, by_stage):
    """Against timm's own groups; of `mobileone_s0` the flattened names of its stages."""
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        model = Model(TimmBackbone(name))
        network = timm.create_model(name)
    kind = "stage_wise" if by_stage else "layer_wise"
    found = rates(model, build(model, decay_rate=0.8, decay_type=kind))
    matcher = network.group_matcher(coarse=by_stage)
    known = timm.models.group_parameters(network, matcher, reverse=True)
    head = max(known.values())
    compared = 0
    for key, (rate, _) in found.items():
        own = (
            key.removeprefix("backbone.model.").removeprefix("model.").replace("stages_", "stages.")
        )
        if own in known:
            assert rate == pytest.approx(0.8 ** (head - known[own])), key
            compared += 1
    assert compared == len(list(model.backbone.parameters()))


def test_frozen_stages_have_no_group_and_the_others_keep_their_rates():
    free, frozen = (Model(MobileNetV4("conv_s_035", frozen_stages=n)) for n in (-1, 2))
    settings = dict(decay_rate=0.7, decay_type="stage_wise")
    all_rates, found = (rates(m, build(m, **settings)) for m in (free, frozen))
    assert found == {
        name: rate
        for name, rate in all_rates.items()
        if not name.startswith(("backbone.stem", "backbone.stages.0", "backbone.stages.1"))
    }


def test_rate_1_is_the_usual_optimiser(monkeypatch):
    model, said = Model(MobileNetV4("conv_s_035")), []
    monkeypatch.setattr(optim, "print_log", lambda text, logger: said.append(text))
    whole = build(model, decay_rate=1)
    usual = build(model, constructor="DecayGroupsConstructor")
    for ours, theirs in zip(*(w.optimizer.param_groups for w in (whole, usual)), strict=True):
        assert [*map(id, ours.pop("params"))] == [*map(id, theirs.pop("params"))]
        assert ours == theirs
    assert said[0] == said[1]
    assert said[0].endswith("(norms, biases) without")
    assert "x 1" not in said[0]


def test_every_group_is_logged(monkeypatch):
    said = []
    monkeypatch.setattr(optim, "print_log", lambda text, logger: said.append(text))
    build(Model(MobileNetV4("conv_s_035")), decay_rate=0.5, decay_type="stage_wise")
    assert [line.split(":")[0] for line in said[1:]] == [
        f"learning rate x {share}" for share in ("0.5", "0.25", "0.125", "0.0625", "0.03125")
    ]
    assert said[0].startswith("2 tensors with weight decay 0.05, 2 (norms, biases)")


CONFIGS = {
    "det": "configs/det/ssdlite_mnv4_conv_s_scratch.py",
    "seg": "configs/seg/lraspp_mnv4_conv_s_scratch.py",
}


@pytest.mark.parametrize("task", ["cls", *CONFIGS])
def test_models_of_every_task(task):
    if task == "cls":
        backbone = dict(type=MobileNetV4, arch="conv_s_035", out_indices=(4,))
        head = dict(type="LinearHead", in_channels=48, num_classes=3)
        model = Classifier(backbone, head)
    else:
        cfg = load_config(CONFIGS[task])
        cfg.model.backbone.arch = "conv_s"
        init_default_scope(cfg.default_scope)
        with torch.device("meta"):
            model = MODELS.build(Config(cfg.model.to_dict())._cfg_dict)
    found = rates(model, build(model, decay_rate=0.5, decay_type="stage_wise"))
    assert found["backbone.stem.conv.weight"] == pytest.approx((0.5**5, DECAY))
    others = {rate for name, (rate, _) in found.items() if not name.startswith("backbone.")}
    assert others == {1.0}
    assert found.keys() == dict(model.named_parameters()).keys()


@pytest.mark.parametrize(
    ("paramwise", "says"),
    [
        ({}, "decay_rate=None is not a number above 0"),
        ({"decay_rate": 0}, "decay_rate=0 is not a number above 0 and at most 1"),
        ({"decay_rate": 1.5}, "decay_rate=1.5 is not"),
        ({"decay_rate": "0.5"}, "decay_rate='0.5' is not"),
        ({"decay_rates": 0.5}, "did you mean 'decay_rate'"),
        ({"decay_rate": 0.5, "decay_type": "block"}, "is not layer_wise or stage_wise"),
        ({"decay_rate": 0.5, "num_layers": 12}, "reads decay_rate, decay_type, not 'num_layers'"),
    ],
)
def test_refusals(paramwise, says):
    with pytest.raises(InputError, match=says):
        build(Model(MobileNetV4("conv_s_035", out_indices=(0,))), **paramwise)


def test_backbone_whose_layers_are_unknown():
    with pytest.raises(InputError, match="Linear does not say which layers it has"):
        build(Model(nn.Linear(2, 2)), decay_rate=0.5)
    pytest.importorskip("timm")
    with torch.device("meta"):
        joined = Model(TimmBackbone("mobileone_s0", reparameterized=True))
    with pytest.raises(InputError, match="timm does not say which layer of mobileone_s0 has model"):
        build(joined, decay_rate=0.5)
