"""train, test and infer end to end on a few small scenes: files, resume after a kill, two ranks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from mnv4_vision.core.engine import read_history
from mnv4_vision.datasets import make_demo

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/det/retina_mnv4_conv_s.py"
SMALL = ["--pretrained", "none", "--image-size", "64", "--batch-size", "4"]
SMALL_CFG = [
    "--cfg-options",
    "model.backbone.arch=conv_s_035",
    "model.neck.out_channels=16",
    "model.bbox_head.in_channels=16",
    "model.bbox_head.feat_channels=16",
    "model.bbox_head.stacked_convs=1",
    "default_hooks.logger.interval=2",
    "optim_wrapper.optimizer.lr=4e-3",
    "model.test_cfg.score_thr=0.0",  # so little training gives no score above the default
    "train_dataloader.dataset.pipeline.2.ratio_range=(1.0,1.0)",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("scenes") / "demo", train=24, val=7, image_size=96)


def command(tool: str, *args, launcher=()) -> list[str]:
    return [sys.executable, *launcher, str(ROOT / "tools" / f"{tool}.py"), *map(str, args)]


def start(*args, **kwargs) -> subprocess.Popen:
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command(*args, **kwargs), cwd=ROOT, env=environ, stdout=pipe, stderr=pipe, text=True
    )


def run(*args, status=0, **kwargs) -> tuple[str, str]:
    process = start(*args, **kwargs)
    out, err = process.communicate(timeout=240)
    assert process.returncode == status, (out + err)[-3000:]
    return out, err


def train_args(data, work_dir, epochs=3):
    return (CONFIG, "--data-root", data, "--work-dir", work_dir, "--epochs", epochs, *SMALL,
            *SMALL_CFG)  # fmt: skip


def metrics_of(work_dir: Path) -> list[dict]:
    rows = read_history(work_dir / "metrics.jsonl")
    return [{k: v for k, v in row.items() if "time" not in k} for row in rows]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("runs") / "whole"
    out, err = run("train", *train_args(data, work_dir))
    return work_dir, out + err


def test_training_leaves_what_a_person_looks_for(trained):
    work_dir, log = trained
    names = {path.name for path in work_dir.iterdir()}
    assert {"config.py", "metrics.jsonl", "curves.png", "epoch_3.pth", "last_checkpoint"} <= names
    assert sum(name.startswith("best_") for name in names) == 1
    assert "epoch_2.pth" not in names
    assert list(work_dir.rglob("*.log"))
    assert cv2.imread(str(work_dir / "curves.png")).std() > 0
    assert "effective batch 4; learning rate 0.001 (config: 0.004 at batch 16)" in log
    rows = metrics_of(work_dir)
    assert [r["epoch"] for r in rows if r["mode"] == "val"] == [1, 2, 3]
    losses = [r["loss"] for r in rows if r["mode"] == "train"]
    assert losses[-1] < losses[0]


def test_report_and_evaluate_repeat_the_last_validation(trained, data, tmp_path, run_here):
    """The page of a test, and the same numbers from its saved detections without the model."""
    work_dir, _ = trained
    saved = tmp_path / "detections.json"
    out, err = run("test", work_dir / "config.py", work_dir / "epoch_3.pth", "--report",
                   tmp_path / "one" / "report.html", "--work-dir", tmp_path / "work",
                   "--cfg-options", f"test_evaluator.save_detections={saved}")  # fmt: skip
    last = [row for row in metrics_of(work_dir) if row["mode"] == "val"][-1]
    assert last["coco/AR100"] > 0
    assert f"AR100 {last['coco/AR100']:.4f}" in out + err
    assert {"image_id", "category_id", "bbox", "score"} <= json.loads(saved.read_text())[0].keys()
    assert last["loss"] == pytest.approx(last["loss_cls"] + last["loss_bbox"])
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text())
    assert metrics["AR100"] == last["coco/AR100"]
    page = (tmp_path / "one" / "report.html").read_text()
    assert str(tmp_path / "one" / "report.html") in out + err
    assert f">{last['loss']:.3f}<" in page
    assert page.count("data:image/png") == 3  # recall, confusion, and the training's curves
    run_here("evaluate", data / "annotations" / "instances_val.json",
             tmp_path / "one" / "detections.json", "--out", tmp_path / "two")  # fmt: skip
    assert json.loads((tmp_path / "two" / "metrics.json").read_text()) == metrics


def test_infer_draws_and_lists(trained, data, tmp_path, run_here):
    work_dir, _ = trained
    out, _ = run_here("infer", work_dir / "config.py", work_dir, data / "val", "--out", tmp_path,
                      "--score-threshold", 0.01)  # fmt: skip
    records = json.loads((tmp_path / "detections.json").read_text())
    assert len(records) == 7
    assert all(record["time_ms"] > 0 for record in records)
    assert out.count(" ms\n") == 7
    assert len(list(tmp_path.glob("val_*.jpg"))) == 7
    assert (tmp_path / "sheet.jpg").is_file()


def test_killed_and_resumed_run_ends_like_an_uninterrupted_one(trained, data, tmp_path, run_here):
    """`kill -9` in the middle of the second epoch."""
    work_dir = tmp_path / "killed"
    process = start("train", *train_args(data, work_dir))
    deadline = time.monotonic() + 200
    while not any(r["epoch"] == 2 for r in _rows(work_dir)) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (work_dir / "epoch_2.pth").exists(), "killed too late to show anything"
    _, err = run_here("train", *train_args(data, work_dir), status=2)
    assert "--resume" in err
    _, err = run_here("train", *train_args(data, work_dir, epochs=4), "--resume", status=2)
    assert "is of a training of 3 epochs" in err
    run("train", *train_args(data, work_dir), "--resume")
    assert metrics_of(work_dir) == metrics_of(trained[0])
    # A resumed run's own config evaluates what it is asked to, not what it was resumed from.
    out, err = run_here("test", work_dir / "config.py", work_dir / "epoch_3.pth")
    assert f"AR100 {metrics_of(work_dir)[-1]['coco/AR100']:.4f}" in out + err
    assert (work_dir / "test").is_dir()


@pytest.mark.parametrize("launcher", [(), ("-m", "torch.distributed.run", "--standalone",
                                           "--nproc-per-node", "2")])  # fmt: skip
def test_interrupted_training_goes_on_within_the_epoch(data, tmp_path, launcher):
    """Ctrl-C, or for two processes SIGTERM to their launcher, in the middle of an epoch."""
    flags = ["--batch-size", 2, *(["--launcher", "pytorch"] if launcher else [])]
    args = (*train_args(data, tmp_path, epochs=60), "default_hooks.interrupt.sync_interval=2")
    args = (*args[:1], *flags, *args[1:])
    process = start("train", *args, launcher=launcher)
    deadline = time.monotonic() + 200
    while not _rows(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM if launcher else signal.SIGINT)
    out, err = process.communicate(timeout=100)
    if not launcher:
        assert process.returncode == 130
        assert err.strip().splitlines()[-1].startswith("SIGINT: saved ")
    saved = next(tmp_path.glob("interrupted_iter_*.pth"), None)
    assert saved is not None, (out + err)[-3000:]
    iteration = int(saved.stem.rpartition("_")[2])
    assert f"saved {saved} after iteration {iteration}" in out + err
    process = start("train", *args, "--resume", launcher=launcher)
    rows = len(_rows(tmp_path))
    while len(_rows(tmp_path)) <= rows + 1 and time.monotonic() < deadline + 100:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert "going on at batch" in out + err
    iterations = [row["iter"] for row in metrics_of(tmp_path) if row["mode"] == "train"]
    assert iterations == sorted(set(iterations))


def test_resume_refuses_what_it_cannot_go_on_from(trained, data, tmp_path, run_here):
    work_dir, _ = trained
    (best,) = work_dir.glob("best_*.pth")
    _, err = run_here("train", *train_args(data, tmp_path / "a"), "--resume", best, status=2)
    assert "weights only" in err
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes((work_dir / "epoch_3.pth").read_bytes()[:-1000])
    _, err = run_here("train", *train_args(data, tmp_path / "a"), "--resume", damaged, status=2)
    assert "damaged.pth" in err
    assert not (tmp_path / "a").exists()


def _rows(work_dir: Path) -> list[dict]:
    file = work_dir / "metrics.jsonl"
    return read_history(file) if file.is_file() else []


def test_two_processes_train_together(data, tmp_path):
    """DDP over gloo, in bf16: the learning rate follows the global batch, rank 0 writes."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    out, err = run("train", *train_args(data, tmp_path / "ddp", epochs=2), "--launcher", "pytorch",
                   "--amp", launcher=launcher)  # fmt: skip
    assert "effective batch 8 = 4 images x 2 processes; learning rate 0.002" in out + err
    rows = metrics_of(tmp_path / "ddp")
    assert [row["iter"] for row in rows if row["mode"] == "val"] == [3, 6]
    losses = [row["loss"] for row in rows if row["mode"] == "train"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((CONFIG, "--data-root", "no/such/data"), ["no/such/data", "tools/data.py demo"]),
        ((CONFIG,), ["data/coco", "tools/data.py demo", "data.py download coco"]),
        (("configs/det/retina_mnv4_conv_x.py",), ["did you mean"]),
        ((CONFIG, "--resume", "no.pth", "--data-root", "{data}"), ["no.pth"]),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_nothing(args, words, data, tmp_path, run_here):
    args = [str(arg).format(data=data) for arg in args]
    out, err = run_here("train", *args, "--work-dir", tmp_path / "work", status=2)
    line = err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert all(word in line for word in words)
    assert "Traceback" not in out + err
    assert not (tmp_path / "work").exists()
