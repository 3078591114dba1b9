"""The benchmark of the evaluation runs, and refuses to time what gives other numbers."""

import importlib.util
import sys
from pathlib import Path
from unittest import mock

import pytest
from pycocotools.cocoeval import COCOeval

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "evaluation.py"


@pytest.fixture
def benchmark(monkeypatch):
    spec = importlib.util.spec_from_file_location("evaluation_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.coco_metric, "COCOeval", COCOeval)  # main puts its own there
    monkeypatch.setattr(module, "MMLogger", mock.Mock())  # main would silence it for all
    monkeypatch.setattr(sys, "argv", ["evaluation.py", "--images", "4"])
    return module


def test_reports_equal_numbers_and_the_ratio(benchmark, capsys):
    benchmark.main()
    out = capsys.readouterr().out
    assert "4 images" in out
    assert "the same twelve numbers, AP 0." in out
    assert "times faster" in out


def test_other_numbers_are_refused(benchmark, monkeypatch):
    class Wrong(benchmark.KeptEvaluation):
        def summarize(self):
            super().summarize()
            Wrong.stats_of_last = self.stats + 1e-15

    monkeypatch.setattr(benchmark, "KeptEvaluation", Wrong)
    with pytest.raises(SystemExit, match="the statistics differ"):
        benchmark.main()
