"""Our detections are mmdet's for SSDLite and RetinaNet, and only then they are timed."""

import importlib.util
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
        spec = importlib.util.spec_from_file_location("detect_benchmark", FOLDER / "detect.py")
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


@pytest.fixture(scope="module", params=["ssdlite", "retina"])
def loaded(request, benchmark, images):
    config = f"configs/det/{request.param}_mnv4_conv_s.py"
    args = benchmark.parse_args(
        ["--images", str(images), "--config", config, "--size", "128", "--rounds", "1"]
    )
    files = sorted(map(str, images.iterdir()))
    return args, files, *benchmark.load_both(args, files)


@pytest.fixture(scope="module")
def pairs(benchmark, loaded):
    _, files, theirs, ours = loaded
    return [benchmark.find_both(theirs, ours, file) for file in files]


def test_equal_to_mmdet(benchmark, loaded, pairs):
    args = loaded[0]
    counts = [len(expected.boxes) for expected, _ in pairs]
    assert 10 < np.mean(counts) <= args.candidates
    assert benchmark.compare_detections(pairs).startswith(f"equality: {sum(counts)} detections")


def test_other_detections_are_refused(benchmark, pairs):
    expected, found = pairs[0]
    moved = benchmark.Detections(found.boxes + 0.1, found.scores, found.labels, 0.0)
    fewer = benchmark.Detections(found.boxes[5:], found.scores[5:], found.labels[5:], 0.0)
    for wrong in (moved, fewer):
        with pytest.raises(SystemExit, match="the detections differ"):
            benchmark.compare_detections([(expected, wrong), *pairs[1:]])


def test_stages_add_up(benchmark, loaded):
    import interleaved  # benchmarks/ is on the path by now

    args, files, _, ours = loaded
    now = benchmark.clock(args)
    forward = ours.model.bbox_head.forward
    with interleaved.stage_clock(benchmark.parts_of(ours.model), benchmark.STAGES, now) as seconds:
        start = now()
        interleaved.run_all(ours.detect, files[:1], seconds, now)
        total = now() - start
    assert all(seconds[stage] > 0 for stage in benchmark.STAGES)
    assert sum(seconds.values()) == pytest.approx(total, rel=0.05)
    assert ours.model.bbox_head.forward == forward


def test_mmdets_side_is_mmdets_own(loaded):
    *_, theirs, ours = loaded
    assert "dense_heads.base_dense_head" in theirs.bbox_head.predict_by_feat.__module__
    assert "mnv4_vision" in ours.model.bbox_head.predict_by_feat.__module__
    assert [m for m in theirs.modules() if isinstance(m, torch.nn.BatchNorm2d)]
