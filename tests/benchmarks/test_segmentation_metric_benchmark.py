"""The benchmark of the segmentation metric runs, and refuses to time what gives other numbers."""

import importlib.util
import sys
from pathlib import Path
from unittest import mock

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "segmentation_metric.py"


@pytest.fixture
def benchmark(monkeypatch):
    spec = importlib.util.spec_from_file_location("segmentation_metric_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MMLogger", mock.Mock())  # main would silence it for all
    arguments = ["--images", "2", "--rounds", "1", "--size", "96", "64", "--classes", "12"]
    monkeypatch.setattr(sys, "argv", ["segmentation_metric.py", *arguments])
    return module


def test_reports_the_times_of_equal_numbers(benchmark, capsys):
    benchmark.main()
    out = capsys.readouterr().out
    assert "2 images of 96 x 64, 12 classes" in out
    assert "the same mIoU" in out
    assert out.count("ms CPU an image") == 3


def test_other_numbers_are_refused(benchmark, monkeypatch):
    class Wrong(benchmark.IoUMetric):
        def evaluate(self, size):
            return {"mIoU": super().evaluate(size)["mIoU"] + 0.02}

    monkeypatch.setattr(benchmark, "IoUMetric", Wrong)
    with pytest.raises(SystemExit, match="the scores differ"):
        benchmark.main()
