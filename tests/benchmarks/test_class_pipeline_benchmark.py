"""The benchmark's three forms read the same files, and evaluation gives the same network input."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    pytest.importorskip("timm")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        patch.chdir(FOLDER.parent)
        spec = importlib.util.spec_from_file_location(
            "class_pipeline_benchmark", FOLDER / "class_pipeline.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def args(benchmark, tmp_path_factory):
    root = tmp_path_factory.mktemp("classes")
    generator = np.random.default_rng(0)
    for name in ("one", "Two"):  # timm and we may order files in different ways
        (root / "train" / name).mkdir(parents=True)
        for number in (10, 9, 1):
            coarse = generator.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            cv2.imwrite(str(root / "train" / name / f"{number}.jpg"), cv2.resize(coarse, (90, 70)))
    return benchmark.parse_args(
        ["--data-root", str(root), "--size", "32", "--batch", "2", "--rounds", "1"]
    )


def test_evaluation_is_compared(benchmark, args):
    forms, num_images = benchmark.forms_of("eval", args)
    assert num_images == 6
    batches = [range(0, 3), range(3, 6)]
    assert benchmark.compare("eval", forms, batches).startswith("equal within")
    forms["ours"] = lambda batch: forms["timm"](batch) + 0.01
    with pytest.raises(SystemExit, match="inputs differ by"):
        benchmark.compare("eval", forms, batches)


@pytest.mark.parametrize("work", ["train", "randaugment"])
def test_training_forms_make_alike_inputs(benchmark, args, work):
    forms, _ = benchmark.forms_of(work, args)
    torch.manual_seed(0)
    np.random.seed(0)
    means = {name: torch.stack([form(range(6)) for _ in range(20)]) for name, form in forms.items()}
    assert {tuple(value.shape) for value in means.values()} == {(20, 6, 3, 32, 32)}
    levels = [float(value.mean()) for value in means.values()]
    assert max(levels) - min(levels) < 0.35  # normalised values
    ours = benchmark.pipeline_of(benchmark.load_cfg(args), work)
    assert any("RandAugment" in str(step["type"]) for step in ours) == (work == "randaugment")


def test_prints_all(benchmark, args, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "parse_args", lambda: args)
    benchmark.main()
    out = capsys.readouterr().out
    assert out.count("ms per image") == 9
    assert all(f"\n{work}: 3 batches" in out for work in benchmark.WORK)
