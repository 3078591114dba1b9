"""The performance model: by hand on a tiny network, and the published counts of real ones."""

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from mnv4_vision.analysis import (
    Network,
    build_network,
    memory_share,
    model_time,
    profile,
    trace_layers,
)
from mnv4_vision.analysis.roofline import stage_of
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_macs, count_params

ROOT = Path(__file__).resolve().parents[2]


class Tiny(nn.Module):
    """8 x 8 px to 8 maps of 4 x 4, a depthwise layer, a product of activations, 5 numbers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.stages = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8))
        self.head = nn.Linear(64, 5)

    def forward(self, x):
        x = self.stages(self.stem(x)).flatten(2)
        return self.head((x @ x.transpose(1, 2)).flatten(1))


# kind, MACs, weights, inputs, outputs; the deployed depthwise layer has a bias
LAYERS = [
    ("conv", 16 * 8 * 27, 216, 192, 128),
    ("depthwise", 16 * 8 * 9, 72 + 8, 128, 128),
    ("matmul", 8 * 8 * 16, 0, 256, 64),
    ("linear", 320, 325, 64, 5),
]


@pytest.fixture
def tiny():
    with torch.device("meta"):
        return profile(Network("tiny", Tiny().eval(), (8, 8)))


def test_layers_by_hand(tiny):
    found = [(x.kind, x.macs, x.weights, x.inputs, x.outputs) for x in tiny.layers]
    assert found == LAYERS
    assert [x.name for x in tiny.layers] == ["stem", "stages.0", "", "head"]


@pytest.mark.parametrize(("ridge_point", "element"), [(4, 1), (1, 4)])
def test_time_by_hand(tiny, ridge_point, element):
    """4 MACs a byte: the depthwise layer and the linear one wait for their bytes."""
    times = [3456, 4 * 336, 4 * 320, 4 * 394]
    assert model_time(tiny.layers, ridge_point, element) == sum(times)
    assert memory_share(tiny.layers, ridge_point, element) == sum(times[1:]) / sum(times)


def test_ridge_point_0_counts_macs(tiny):
    assert model_time(tiny.layers, 0) == tiny.macs == sum(row[1] for row in LAYERS)
    assert memory_share(tiny.layers, 0) == 0
    assert memory_share(tiny.layers, 1e6) == 1


# mnv4_facts: CALC, from the papers' tables; parameters and 10^6 MACs of stem, /4 to /32, the 960
# convolution, and the 1280 convolution with the classifier
PUBLISHED = {
    "conv_s": [
        (928, 10.8), (10_368, 32.1), (34_112, 26.5), (272_160, 60.3), (819_296, 47.7),
        (124_800, 6.0), (2_512_360, 2.5),
    ],
    "conv_m": [
        (928, 14.2), (43_360, 176.2), (59_552, 88.6), (1_521_040, 414.3), (5_330_592, 368.8),
        (247_680, 15.7), (2_512_360, 2.5),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("arch", "activations"), [("conv_s", 1.97), ("conv_m", 7.58), ("hybrid_m", 9.01)]
)
def test_counts_are_the_published_ones(arch, activations):
    network = build_network(arch)
    found = profile(network)
    assert found.macs == count_macs(network.module, network.image_size)
    # timm's benchmark tables count them so
    assert round(sum(layer.outputs for layer in found.layers) / 1e6, 2) == activations
    if arch not in PUBLISHED:
        return
    *stages, hidden, fc = [(stage.params, stage.macs / 1e6) for stage in found.stages]
    stages.append((hidden[0] + fc[0], hidden[1] + fc[1]))
    assert [(params, round(macs, 1)) for params, macs in stages] == PUBLISHED[arch]


@pytest.mark.parametrize("name", ["conv_s", "mobilenetv2_100", "mobileone_s0"])
def test_the_committed_numbers_are_current(name):
    layers = profile(build_network(name)).layers
    for row in read(ROOT / "docs" / "results" / "roofline" / "sweep.csv"):
        if row["model"] == name and row["ridge_point"] in ("0", "31", "347", "434"):
            point, share = float(row["ridge_point"]), float(row["memory_bound_share"])
            assert model_time(layers, point) / 1e6 == pytest.approx(float(row["time"]), abs=1e-4)
            assert memory_share(layers, point) == pytest.approx(share, abs=1e-4)


def test_mobileone_is_measured_without_its_branches():
    found = profile(build_network("mobileone_s0"))
    assert found.params / 1e6 == pytest.approx(2.079, abs=0.001)
    assert found.macs / 1e9 == pytest.approx(0.275, abs=0.001)


@pytest.mark.parametrize("name", ["mobilenetv2_100", "configs/det/retina_mnv4_conv_s.py"])
def test_stages_have_all_parameters_and_shared_ones_count_once(name):
    """timm's norms between stages have no layer of their own; RetinaNet's head runs five times."""
    network = build_network(str(ROOT / name) if name.endswith(".py") else name, 64)
    found = profile(network)
    assert sum(stage.params for stage in found.stages) == count_params(network.module)
    assert found.params < count_params(network.module)


def test_a_config_is_a_network_too():
    found = profile(build_network(str(ROOT / "configs/seg/lraspp_mnv4_conv_s.py"), 64))
    assert found.image_size == (64, 64)
    assert found.stages[0].params == 928
    assert "decode_head" in [stage.name for stage in found.stages]


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("backbone.stages.2.1.expand.conv", "stages.2"),
        ("backbone.model.blocks.3.0.conv_pw", "blocks.3"),
        ("head.expand.conv", "head.expand"),
        ("bbox_head.cls_convs.0.conv", "bbox_head"),
        ("conv_stem", "conv_stem"),
    ],
)
def test_stages_are_beginnings_of_paths(path, stage):
    assert stage_of(path) == stage


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv_z", r"unknown model 'conv_z' \(did you mean 'conv_.'\?\): give one of conv_s, "),
        ("mobilenetv3_lrge_100", r"\(did you mean 'mobilenetv3_large_100'\?\)"),
        ("conv_s.e2400_r224_in1k", r"do not depend on the weights: 'conv_s'\?"),
        ("configs/det/none.py", r"config configs/det/none\.py does not exist"),
    ],
)
def test_unknown_names_are_one_line(name, message):
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=message) as error:
        build_network(name)
    assert "\n" not in str(error.value)


def test_without_timm_our_own_networks_remain(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    assert build_network("conv_s").image_size == (224, 224)
    with pytest.raises(InputError, match=r"'mobilenetv1_100'.*pip install 'mnv4_vision\[timm\]'"):
        build_network("mobilenetv1_100")


def test_an_image_that_does_not_fit_is_one_line():
    network = build_network("vit_tiny_patch16_224", 96)
    with pytest.raises(InputError, match="VisionTransformer cannot run on 96x96 px"):
        trace_layers(network.module, network.image_size)


def test_tool_writes_its_tables(run_here, tmp_path):
    models = ("conv_s_035", "mobilenetv3_small_050")
    options = ("--image-size", 64, "--ridge-points", 0, 31, "--out", tmp_path)
    out, _ = run_here("roofline", *models, *options)
    table = {line.split()[0]: line.split() for line in out.splitlines()[1:3]}
    macs = {name: int(table[name][3]) for name in models}
    # at ridge point 0 the time is the MACs, and none of it memory-bound
    for name in models:
        assert table[name][5:9] == [str(macs[name]), table[name][4], "0", "%"]
    rows = {name: read(tmp_path / f"{name}.csv") for name in ("layers", "stages", "sweep")}
    sums = {
        name: sum(int(r["macs"]) for r in rows["layers"] if r["model"] == name) for name in macs
    }
    for name, total in sums.items():
        assert round(total / 1e6) == macs[name]
        stages = [int(row["macs"]) for row in rows["stages"] if row["model"] == name]
        assert sum(stages) == total
        sweep = [row for row in rows["sweep"] if row["model"] == name]
        assert [int(row["ridge_point"]) for row in sweep][:3] == [0, 5, 10]
        assert float(sweep[0]["time"]) == pytest.approx(total / 1e6, abs=1e-3)
        assert float(sweep[-1]["memory_bound_share"]) == 1
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
