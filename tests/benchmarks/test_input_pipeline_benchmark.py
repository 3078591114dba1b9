"""The benchmark compares what it says it compares."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mnv4_vision.core.engine import load_config
from mnv4_vision.datasets import make_demo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location(
        "input_pipeline_benchmark", ROOT / "benchmarks" / "input_pipeline.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    demo = make_demo(tmp_path_factory.mktemp("speed") / "demo", train=2, val=1, image_size=96)
    return str(demo / "annotations/instances_train.json"), str(demo / "train")


def test_reports_both_pipelines(benchmark, files, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    arguments = ["input_pipeline.py", *files, "--rounds", "1", "--batch", "2", "--steps"]
    monkeypatch.setattr(sys, "argv", arguments)
    benchmark.main()
    out = capsys.readouterr().out
    assert "2 images" in out
    assert "times as many images" in out
    assert all(step in out for step in ("RandomCrop", "ResizeCropFlip", "PackBoxes"))


def test_pipelines_that_differ_are_not_timed(benchmark, files):
    init_default_scope("mmdet")
    dataset = load_config(str(ROOT / benchmark.CONFIG)).train_dataloader.dataset
    ours = benchmark.without_colour(dataset.pipeline)
    theirs = benchmark.without_colour(benchmark.mmdet_pipeline(dataset.pipeline))
    sets = [benchmark.make_dataset(dataset, *files, steps) for steps in (ours, theirs)]
    benchmark.check_equal(*sets)
    sets[1].pipeline.transforms[2].ratio_range = (0.5, 2.1)
    np.random.seed(0)
    with pytest.raises(SystemExit, match="the pipelines differ"):
        benchmark.check_equal(*sets)
