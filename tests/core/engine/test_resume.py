"""A signal, then resume: bit-equal to a run that was never interrupted."""

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny_run
import torch
from tiny_run import ITERATIONS, assert_same_end, load, resume, rows_without_times

from mnv4_vision.core.engine.interrupt import TrainingInterrupted
from mnv4_vision.core.engine.saving import find_resume
from mnv4_vision.core.errors import InputError

# Place of the signal, workers, accumulated batches.
KILLS = [("train", 0, 2), ("val", 0, 1), ("save", 2, 1)]
STOPS = [("term", 2, 1), ("term_last", 0, 1), ("int_val", 0, 1), ("term", 0, 2)]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Work dir of a whole run by the number of accumulated batches, and what its batches held."""

    def run(accumulated=1):
        if accumulated not in runs:
            work_dir = tmp_path_factory.mktemp(f"whole{accumulated}")
            tiny_run.train(tiny_run.make_config(work_dir, accumulated=accumulated))
            runs[accumulated] = work_dir, list(tiny_run.ProbeHook.seen)
        return runs[accumulated]

    runs = {}
    return run


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Work dirs of runs that a signal ended, with their wait status and what they said."""
    root = tmp_path_factory.mktemp("ended")
    runs = KILLS + STOPS
    names = ["-".join(map(str, run)) for run in runs]
    result = subprocess.run(
        [sys.executable, tiny_run.__file__, str(root), *names],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    statuses = [int(line) for line in result.stdout.splitlines() if line.isdigit()]
    assert len(statuses) == len(runs), result.stderr
    return {
        run: (root / name, status, result.stderr)
        for run, name, status in zip(runs, names, statuses, strict=True)
    }


@pytest.mark.parametrize(("place", "workers", "accumulated"), KILLS)
def test_killed_run_resumes_bit_equal(ended, uninterrupted, place, workers, accumulated):
    work_dir, status, said = ended[place, workers, accumulated]
    assert status == signal.SIGKILL, said
    assert find_resume(work_dir).name == "epoch_2.pth"
    assert len(list(work_dir.glob(".epoch_3.pth.*.tmp"))) == (place == "save")
    # No seed in the config: the resumed run takes it from the checkpoint.
    resume(work_dir, workers=workers, accumulated=accumulated, seed=None)
    assert not list(work_dir.glob(".*.tmp"))
    assert_same_end(work_dir, uninterrupted(accumulated)[0])


@pytest.mark.parametrize(("place", "workers", "accumulated"), STOPS)
def test_interrupted_run_resumes_bit_equal(ended, uninterrupted, place, workers, accumulated):
    work_dir, status, said = ended[place, workers, accumulated]
    number = signal.SIGINT if place == "int_val" else signal.SIGTERM
    assert os.waitstatus_to_exitcode(status) == 128 + number, said
    # With 2 accumulated batches it goes on to the update after the fourth.
    steps = {"term": 2 + accumulated, "term_last": ITERATIONS, "int_val": 0}[place]
    saved = work_dir / f"interrupted_iter_{2 * ITERATIONS + steps}.pth"
    assert find_resume(work_dir) == saved
    assert f"saved {saved} after iteration" in said
    position = load(saved)["meta"]
    assert (position["epoch"], position["iter"]) == (2, 2 * ITERATIONS + steps)
    # However many workers read the data, it is the same.
    resume(work_dir, accumulated=accumulated, seed=None)
    assert_same_end(work_dir, uninterrupted(accumulated)[0])


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run stopped after three steps, in this process."""
    work_dir = tmp_path_factory.mktemp("interrupted")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingInterrupted):
        tiny_run.train(tiny_run.make_config(work_dir, place="term_first"))
    assert signal.getsignal(signal.SIGTERM) is before
    return work_dir / "interrupted_iter_3.pth"


class FewerData(tiny_run.NoisyData):
    def __len__(self):
        return 16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_dataloader.batch_size": 2}, "effective batch 4, this one 2:"),
        (
            {"optim_wrapper.accumulative_counts": 2},
            "effective batch 4, this one 8 = 4 images x 1 process x 2 accumulated",
        ),
        ({"optim_wrapper.optimizer.lr": 0.1}, "learning rate 0.05, this one 0.1"),
        ({"train_dataloader.dataset.type": FewerData}, "batch 3 of an epoch of 5, and this one"),
    ],
)
def test_resume_refuses_other_steps(interrupted, tmp_path, change, words):
    cfg = tiny_run.make_config(tmp_path)
    cfg.merge_from_dict(change)
    cfg.resume, cfg.load_from = True, str(interrupted)
    with pytest.raises(InputError, match=words):
        tiny_run.train(cfg)


def test_history_has_every_interval_and_validation(uninterrupted):
    rows = rows_without_times(uninterrupted()[0])
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
    _, seen = uninterrupted()
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
