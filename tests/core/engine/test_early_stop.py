"""Early stopping follows the best checkpoint's metric and survives a resume."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_run
from mmengine.evaluator import BaseMetric

from mnv4_vision.core.engine.early_stop import EarlyStopHook
from mnv4_vision.core.errors import InputError

SCORES = [0.2, 0.5, 0.5, 0.4]  # an equal score is no improvement


class Scripted(BaseMetric):
    epoch = 0

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        type(self).epoch += 1
        return {"score": SCORES[type(self).epoch - 1]}


def make_config(work_dir, patience, epochs_done=0):
    Scripted.epoch = epochs_done
    cfg = tiny_run.make_config(work_dir, history=False)
    cfg.val_evaluator = dict(type=Scripted)
    cfg.default_hooks.checkpoint.save_best = "auto"
    cfg.default_hooks.early_stop = dict(type=EarlyStopHook, patience=patience)
    return cfg


def last_epoch(work_dir: Path) -> str:
    return max(path.name for path in work_dir.glob("epoch_*.pth"))


def test_ends_after_patience_and_again_after_resume(tmp_path):
    tiny_run.train(make_config(tmp_path, patience=1))
    assert last_epoch(tmp_path) == "epoch_3.pth"
    assert (tmp_path / "best_score_epoch_2.pth").is_file()
    # The last checkpoint is of before the third validation, which runs again and counts once.
    cfg = make_config(tmp_path, patience=2, epochs_done=2)
    cfg.resume, cfg.load_from = True, str(tmp_path / "epoch_3.pth")
    tiny_run.train(cfg)
    state = tiny_run.load(tmp_path / "epoch_4.pth")["message_hub"]["runtime_info"]["early_stop"]
    assert state == {"wait_count": 1, "best_epoch": 2, "best_score": 0.5}


def test_needs_a_best_checkpoint():
    runner = SimpleNamespace(hooks=[], val_loop=object())
    with pytest.raises(InputError, match="save_best"):
        EarlyStopHook().before_train(runner)
