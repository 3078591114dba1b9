"""Our label maps are mmseg's for DeepLabV3+ and LR-ASPP, and only then they are timed."""

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        spec = importlib.util.spec_from_file_location("segment_benchmark", FOLDER / "segment.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for index, (width, height) in enumerate([(200, 150), (90, 120)]):
        coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{index}.jpg"), image)
    return folder


@pytest.fixture(scope="module", params=["deeplabv3plus", "lraspp"])
def loaded(request, benchmark, images, tmp_path_factory):
    config = f"configs/seg/{request.param}_mnv4_conv_s.py"
    args = benchmark.parse_args(
        ["--images", str(images), "--config", config, "--size", "128", "--rounds", "1"]
    )
    arrays = benchmark.read_images(args)
    checkpoint = str(tmp_path_factory.mktemp("weights") / "random.pth")
    benchmark.save_random_weights(benchmark.config_of(args), arrays, 0.2, checkpoint)
    theirs = benchmark.load_mmseg(args, checkpoint)
    return args, arrays, checkpoint, theirs, benchmark.load_ours(args, checkpoint)


def test_labels_equal_mmsegs(benchmark, loaded):
    args, images, _, theirs, ours = loaded
    line = benchmark.compare_labels(theirs, ours, images, args)
    assert line.startswith("equality: ")
    assert f"of {2 * 128 * 128} labels" in line


def test_random_weights_have_areas_of_one_class(benchmark, loaded):
    _, images, *_, ours = loaded
    labels = np.stack([ours.segment(image).labels for image in images])
    assert 0.1 < benchmark.border_share(torch.from_numpy(labels)) < 0.22
    assert len(np.unique(labels)) > 3


def test_other_labels_are_refused(benchmark, loaded, monkeypatch):
    args, images, _, theirs, ours = loaded
    bias = ours.model.decode_head.conv_seg.bias
    monkeypatch.setattr(bias, "data", bias.data.roll(1))
    with pytest.raises(SystemExit, match="the label maps differ"):
        benchmark.compare_labels(theirs, ours, images, args)


def test_stages_add_up(benchmark, loaded):
    interleaved = sys.modules["interleaved"]
    args, images, _, theirs, ours = loaded
    now = benchmark.clock(args)
    runs = ((ours.model, ours.segment), (theirs, lambda i: benchmark.inference_model(theirs, i)))
    for model, run in runs:
        parts = benchmark.parts_of(model)
        with interleaved.stage_clock(parts, benchmark.STAGES, now) as seconds:
            start = now()
            interleaved.run_all(run, images[:1], seconds, now)
            total = now() - start
        assert all(seconds[stage] > 0 for stage in benchmark.STAGES)
        assert sum(seconds.values()) == pytest.approx(total, rel=0.05)


def test_mmsegs_side_is_mmsegs_own(benchmark, loaded):
    *_, theirs, ours = loaded
    assert type(theirs) is benchmark.EncoderDecoder
    assert [m for m in theirs.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert type(ours.model).__module__.startswith("mnv4_vision")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_peak_memory_counts_what_a_run_holds(benchmark):
    held = []

    def hold(image):
        held.append(np.ones((50, 1000, 1000), np.uint8))
        np.ones((100, 1000, 1000), np.uint8)

    try:
        peak = benchmark.measure_peak(hold, [None, None])
    except PermissionError:
        pytest.skip("this process may not reset its peak")
    assert peak == pytest.approx(200, rel=0.1)
    assert len(held) == 2
