"""kill -9, resume: bit-equal to a run that was never interrupted."""

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny_run
import torch

from mnv4_vision.core.engine.history import read_history
from mnv4_vision.core.engine.resume import find_resume

KILLS = [("train", 0), ("train", 2), ("val", 0), ("save", 2)]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    def run(workers):
        if workers not in runs:
            work_dir = tmp_path_factory.mktemp(f"whole{workers}")
            tiny_run.train(tiny_run.make_config(work_dir, workers=workers))
            runs[workers] = work_dir, list(tiny_run.ProbeHook.seen)
        return runs[workers]

    runs = {}
    return run


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Work dirs of runs that were killed, by (place, number of workers)."""
    root = tmp_path_factory.mktemp("killed")
    names = [f"{place}-{workers}" for place, workers in KILLS]
    result = subprocess.run(
        [sys.executable, tiny_run.__file__, str(root), *names],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    statuses = [line for line in result.stdout.splitlines() if line.isdigit()]
    assert statuses == [str(int(signal.SIGKILL))] * len(KILLS), result.stderr
    return {kill: root / name for kill, name in zip(KILLS, names, strict=True)}


def resume(work_dir, **options):
    cfg = tiny_run.make_config(work_dir, **options)
    cfg.resume, cfg.load_from = True, str(find_resume(work_dir))
    tiny_run.train(cfg)


def load(path):
    return torch.load(path, weights_only=False)  # with mmengine's message hub


def rows_without_times(work_dir):
    rows = read_history(work_dir / "metrics.jsonl")
    return [{k: v for k, v in r.items() if not k.endswith(("time", "memory_mb"))} for r in rows]


def assert_equal(one, other, path=""):
    """Bit-equal at any depth."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_equal(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_equal(*pair, f"{path}.{index}")
    else:
        assert one == other, path


@pytest.mark.parametrize(("place", "workers"), KILLS)
def test_resumed_run_is_bit_equal(killed, uninterrupted, place, workers):
    whole, _ = uninterrupted(workers)
    work_dir = killed[place, workers]
    assert find_resume(work_dir).name == "epoch_2.pth"
    assert len(list(work_dir.glob(".epoch_3.pth.*.tmp"))) == (place == "save")
    # No seed in the config: the resumed run takes it from the checkpoint.
    resume(work_dir, workers=workers, seed=None)
    assert not list(work_dir.glob(".*.tmp"))
    expected, found = (load(d / "epoch_4.pth") for d in (whole, work_dir))
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
        assert_equal(expected[part], found[part], part)
    assert rows_without_times(work_dir) == rows_without_times(whole)
    best = [sorted(p.name for p in d.glob("*.pth")) for d in (whole, work_dir)]
    assert best[0] == best[1]


def test_history_has_every_interval_and_validation(uninterrupted):
    rows = rows_without_times(uninterrupted(0)[0])
    train = [(r["epoch"], r["iter"]) for r in rows if r["mode"] == "train"]
    assert train == [(e + 1, 5 * e + i) for e in range(4) for i in (2, 4, 5)]
    assert [(r["epoch"], r["iter"]) for r in rows if r["mode"] == "val"] == [
        (1, 5),
        (2, 10),
        (3, 15),
        (4, 20),
    ]


def test_epochs_have_their_own_augmentations(uninterrupted):
    """mmengine's own worker seeds would read the same samples in every epoch."""
    _, seen = uninterrupted(2)
    assert len(set(seen)) == len(seen) == 20


def save(path, age_s=0):
    torch.save({"state_dict": {"w": torch.arange(1000.0)}}, path)
    os.utime(path, (1e9 - age_s, 1e9 - age_s))
    return path


class TestFindResume:
    def test_nothing_there(self, tmp_path):
        assert find_resume(tmp_path) is None
        assert find_resume(tmp_path / "absent") is None

    def test_newest_without_best(self, tmp_path):
        save(tmp_path / "epoch_9.pth", age_s=50)
        newest = save(tmp_path / "epoch_2.pth", age_s=10)
        save(tmp_path / "best_mean_epoch_2.pth")
        assert find_resume(tmp_path) == newest

    def test_pointer_first_also_in_a_moved_folder(self, tmp_path):
        save(tmp_path / "epoch_2.pth")
        named = save(tmp_path / "epoch_1.pth", age_s=10)
        (tmp_path / "last_checkpoint").write_text("/gone/epoch_1.pth")
        assert find_resume(tmp_path) == named

    @pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
    def test_damaged_ones_are_passed_over(self, tmp_path, damage):
        older = save(tmp_path / "epoch_1.pth", age_s=10)
        broken = save(tmp_path / "epoch_2.pth")
        content = bytearray(broken.read_bytes())
        with zipfile.ZipFile(broken) as archive:
            record = next(i for i in archive.infolist() if i.filename.endswith("data/0"))
        content[record.header_offset + 2000] ^= 1
        cut = {"truncated": content[:-30], "flipped": content, "empty": b""}[damage]
        broken.write_bytes(bytes(cut))
        (tmp_path / "last_checkpoint").write_text(str(broken))
        assert find_resume(tmp_path) == older
