"""Timing, accuracies and the Pareto front; no test is about how fast something is."""

import csv
import itertools
import json
from pathlib import Path

import pytest
import torch

from mnv4_vision.analysis import (
    Accuracy,
    catalogue_accuracy,
    draw_pareto,
    find_accuracy,
    pareto_front,
    read_accuracy,
    time_interleaved,
)
from mnv4_vision.analysis.timing import Cell
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights import CATALOGUE

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "imagenet_top1.csv"


def test_front_of_synthetic_points():
    points = [
        ("slow and best", 9.0, 80.0),
        ("beaten", 5.0, 70.0),
        ("fast", 1.0, 60.0),
        ("as good, slower", 2.0, 60.0),
        ("middle", 4.0, 75.0),
        ("twin of middle", 4.0, 75.0),
        ("as slow, worse", 9.0, 79.0),
    ]
    assert [points[i][0] for i in pareto_front(points)] == [
        "fast", "middle", "twin of middle", "slow and best",
    ]  # fmt: skip
    assert pareto_front([]) == []
    picture = draw_pareto({"one": points, "two": points[:1]})
    assert picture.startswith(b"\x89PNG")


def test_rounds_go_forwards_and_backwards_and_the_median_counts():
    calls, seconds = [], itertools.count()
    cells = [Cell(None, "eager", "fp32", 1, lambda name=name: calls.append(name)) for name in "ab"]
    # a clock that advances by 1 s a look, and by 4 s more while b runs in the third round
    extra = iter([0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0])
    passed = itertools.accumulate(next(extra) + 1 for _ in seconds)
    timings = time_interleaved(cells, 3, 2, lambda: next(passed))
    assert "".join(calls) == "bbbaaaaaabbbbbbaaa"
    assert [t.median for t in timings] == [500, 500]
    assert [t.quartiles for t in timings] == [(500, 500), (500, 1500)]


def test_accuracy_counts_at_its_own_resolution():
    known = [Accuracy("mobilenetv4_conv_small", 74.6, 256, "x"), Accuracy("other", 50.0)]
    assert find_accuracy(known, "conv_s", (256, 256)).top1 == 74.6
    assert find_accuracy(known, "mobilenetv4_conv_small", (256, 256)).weights == "x"
    assert find_accuracy(known, "conv_s", (224, 224)) is None
    assert find_accuracy(known, "conv_s", (256, 320)) is None
    assert find_accuracy(known, "other", (7, 9)).top1 == 50.0
    assert find_accuracy(known, "conv_m", (256, 256)) is None
    assert find_accuracy(catalogue_accuracy(), "conv_s", (256, 256)).top1 == 74.644


def test_the_results_file_agrees_with_the_catalogue():
    known = read_accuracy(RESULTS)
    rows = {(r.model, r.weights, r.resolution): r.top1 for r in known}
    assert len(rows) == len(known) == 62
    for entry in CATALOGUE.values():
        if entry.top1 is not None:
            model, _, tag = entry.timm_name.partition(".")
            assert rows[model, tag, entry.test_input_size] == entry.top1
    # the first row of a size is of weights that saw ImageNet-1k alone, where there are such
    first = find_accuracy(known, "mobilenetv3_large_100", (224, 224))
    assert (first.weights, first.top1) == ("ra4_e3600_r224_in1k", 76.31)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,top1\na,1\n", "has no column model: its first line should be model,top1"),
        ("", "has no column model and top1"),
        ("model,top1\na,high\n", r"line 2: top1 'high'"),
        ("model,top1,resolution\na,70,224px\n", r"line 2: top1 '70' and resolution '224px'"),
        ("model,top1\na,170\n", r"line 2: top1 170 is no percentage"),
        ("model,top1\na\n", r"line 2: top1 None"),
        ("top1,model\n70\n", r"line 2: it names no model"),
    ],
)
def test_bad_accuracy_files_are_one_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_accuracy(tmp_path / "a.csv")


MODELS = ("conv_s_035", "mobilenetv3_small_050")
SETTINGS = ("--image-size", 32, "--rounds", 1, "--calls", 1)


def test_tool_measures_every_setting(run_here, tmp_path):
    (tmp_path / "a.csv").write_text("model,top1,resolution\nconv_s_035,61.5,32\n")
    forms = ("--form", "eager", "deployed", "--dtype", "fp32", "bf16", "--batch-size", 2)
    files = ("--accuracy", tmp_path / "a.csv", "--out", tmp_path / "out")
    out, progress = run_here("benchmark", *MODELS, *SETTINGS, *forms, *files)
    assert "no top-1 of it: mobilenetv3_small_050 at 32 px\n" in out
    assert "preparing mobilenetv3_small_050 (2 of 2)" in progress
    with (tmp_path / "out" / "benchmark.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    settings = [(r["model"], r["form"], r["dtype"], int(r["batch"])) for r in rows]
    expected = itertools.product(MODELS, ("eager", "deployed"), ("fp32", "bf16"), (2,))
    assert settings == list(expected)
    assert all(float(r["ms_q25"]) <= float(r["ms_median"]) <= float(r["ms_q75"]) for r in rows)
    assert {(r["top1"], r["on_front"]) for r in rows if r["model"] == MODELS[0]} == {("61.5", "1")}
    assert {(r["top1"], r["on_front"]) for r in rows if r["model"] == MODELS[1]} == {("", "")}
    eager, eager_bf16 = (
        next(r for r in rows if (r["form"], r["dtype"]) == ("eager", dtype))
        for dtype in ("fp32", "bf16")
    )
    assert float(eager["memory_mb"]) == pytest.approx(2 * float(eager_bf16["memory_mb"]), abs=0.02)
    # the norms' scales are in the weights, their shifts became biases
    folded = next(r for r in rows if r["form"] == "deployed")
    assert int(folded["params"]) < int(eager["params"])
    assert folded["macs"] == eager["macs"]
    origin = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert origin["torch"] == torch.__version__
    assert origin["clock"] == "process_time"
    assert (tmp_path / "out" / "pareto.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conv_z",), "error: unknown model 'conv_z'"),
        (("conv_s", "--device", "npu9000"), "error: device 'npu9000' cannot be used"),
        (("conv_s", "--accuracy", "none.csv"), "error: accuracy file none.csv does not exist"),
        (("conv_s", "--form", "compiled"), "error: --form compiled needs a C++ compiler"),
    ],
)
def test_mistakes_are_one_line(run_here, monkeypatch, tmp_path, arguments, message):
    monkeypatch.setenv("CXX", "no-such-compiler")
    out, err = run_here("benchmark", *arguments, *SETTINGS, "--out", tmp_path, status=2)
    assert err.splitlines()[-1].startswith(message)
    assert "Traceback" not in out + err
