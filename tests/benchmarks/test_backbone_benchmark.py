import importlib.util
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "backbone.py"


@pytest.fixture(scope="module")
def benchmark():
    pytest.importorskip("timm")
    spec = importlib.util.spec_from_file_location("backbone_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("device", "compiler", "forms"),
    [
        ("cpu", "python", ["eval", "deployed", "onednn", "compiled", "train"]),
        ("cpu", "no-such-compiler", ["eval", "deployed", "onednn", "train"]),
        ("cuda", "no-such-compiler", ["eval", "deployed", "compiled", "train"]),
    ],
)
def test_default_forms_are_those_that_run(benchmark, monkeypatch, device, compiler, forms):
    monkeypatch.setattr(benchmark.shutil, "which", lambda name: name == "python" or None)
    monkeypatch.setenv("CXX", compiler)
    assert benchmark.parse_args(["--device", device]).forms == forms


@pytest.mark.parametrize(
    ("device", "form", "needed"),
    [
        ("cuda:0", "onednn", "onednn needs --device cpu, not cuda:0"),
        ("cpu", "compiled", "compiled needs a C++ compiler; no no-such-compiler is found"),
    ],
)
def test_form_that_cannot_run_is_one_line(benchmark, monkeypatch, capsys, device, form, needed):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SystemExit):
        benchmark.parse_args(["--device", device, "--forms", "eval", form])
    assert capsys.readouterr().err.splitlines()[-1].endswith(needed)


def test_a_form_that_computes_something_else_is_not_timed(benchmark, monkeypatch):
    args = benchmark.parse_args(["--forms", "eval", "deployed", "--rounds", "1", "--calls", "1"])
    forward_ms, ratios = benchmark.measure_arch("conv_s", 64, args)
    assert forward_ms > 0
    assert ratios.keys() == {"eval", "deployed"}

    def slightly_wrong(model):
        model.head.fc.weight.data[5] *= 1.5
        return model

    monkeypatch.setattr(benchmark, "deploy", lambda model, onednn: slightly_wrong(model))
    args.forms = ["deployed"]
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match="deployed does not compute what timm does"):
        benchmark.measure_arch("conv_s", 64, args)
