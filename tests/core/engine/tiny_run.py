"""A training of seconds with every kind of randomness.

    python tiny_run.py DIR PLACE-WORKERS-ACCUMULATED ...

trains in DIR/PLACE-WORKERS-ACCUMULATED until a signal ends it at PLACE, and prints each wait
status.
"""

import os
import random
import signal
import sys
import uuid
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook, Hook
from mmengine.model import BaseModel, ExponentialMovingAverage
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, ValLoop
from torch import nn

from mnv4_vision.core import files
from mnv4_vision.core.engine.guards import LossGuardHook
from mnv4_vision.core.engine.history import HistoryHook, read_history
from mnv4_vision.core.engine.interrupt import InterruptHook, TrainingInterrupted
from mnv4_vision.core.engine.progress import ProgressHook
from mnv4_vision.core.engine.resume import ExactResumeHook
from mnv4_vision.core.engine.runner import Runner
from mnv4_vision.core.engine.saving import AtomicCheckpointHook, find_resume

EPOCHS, ITERATIONS = 4, 5


class NoisyData(torch.utils.data.Dataset):
    """Samples that differ whenever they are read, by each of the three generators."""

    METAINFO = {"classes": ("low", "high")}

    def __len__(self):
        return 20

    def __getitem__(self, index):
        noise = np.random.normal(size=8) + random.random() + torch.rand(8).numpy()
        return torch.tensor(noise * 0.3 + index / 10, dtype=torch.float32), index % 2


class TinyModel(BaseModel):
    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.layers = nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)
        )

    def forward(self, inputs, labels, mode="tensor"):
        scores = self.layers(inputs)
        if mode == "loss":
            return {"loss": nn.functional.cross_entropy(scores, labels)}
        return list(scores.softmax(1)[:, 1])


class MeanScore(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(float(s) for s in data_samples)

    def compute_metrics(self, results):
        return {"mean": float(np.mean(results)), "max": max(results)}


class SignalHook(Hook):
    """Sends this process a signal at a place: kill -9, SIGTERM (`term`) or Ctrl-C (`int`)."""

    priority = "LOW"

    def __init__(self, place):
        self.place = place

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        middle = 2 * ITERATIONS + 3
        places = {"train": middle, "term": middle, "term_last": 3 * ITERATIONS, "term_first": 3}
        if runner.iter + 1 == places.get(self.place):
            self.send()

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.place in ("val", "int_val") and runner.epoch == 2 and batch_idx == 1:
            self.send()

    def after_train_epoch(self, runner):
        if self.place == "save" and runner.epoch == 2:
            files.os.replace = lambda *_: self.send()

    def send(self):
        kinds = {"term": signal.SIGTERM, "int": signal.SIGINT}
        os.kill(os.getpid(), kinds.get(self.place.partition("_")[0], signal.SIGKILL))


class RowsHook(HistoryHook):
    """Without the picture, which takes longer than the training."""

    def _draw(self, rows):
        pass


class ProbeHook(Hook):
    """Remembers what each training batch of the latest run held."""

    seen = []

    def before_train(self, runner):
        self.seen.clear()

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append(data_batch[0].sum().item())


def make_config(work_dir, *, workers=0, accumulated=1, seed=3, place=None, history=True):
    loader = dict(batch_size=4, collate_fn=dict(type="default_collate"))
    hooks = [dict(type=EMAHook, ema_type=ExponentialMovingAverage, momentum=0.1)]
    hooks += [dict(type=ExactResumeHook), dict(type=ProgressHook)]
    hooks += [dict(type=RowsHook), dict(type=ProbeHook)] if history else []
    hooks += [dict(type=LossGuardHook), dict(type=InterruptHook)]
    hooks += [dict(type=SignalHook, place=place)] if place else []
    schedule = dict(by_epoch=True, convert_to_iter_based=True)
    return Config(
        dict(
            model=dict(type=TinyModel),
            work_dir=str(work_dir),
            train_dataloader=dict(
                **loader,
                num_workers=workers,
                persistent_workers=workers > 0,
                sampler=dict(type=DefaultSampler, shuffle=True),
                dataset=dict(type=NoisyData),
            ),
            val_dataloader=dict(
                **loader,
                num_workers=0,
                sampler=dict(type=DefaultSampler, shuffle=False),
                dataset=dict(type=NoisyData),
            ),
            train_cfg=dict(type=EpochBasedTrainLoop, max_epochs=EPOCHS),
            val_cfg=dict(type=ValLoop),
            val_evaluator=dict(type=MeanScore),
            optim_wrapper=dict(
                type=OptimWrapper,
                optimizer=dict(type=torch.optim.AdamW, lr=0.05),
                accumulative_counts=accumulated,
            ),
            param_scheduler=[
                dict(type=LinearLR, start_factor=0.1, begin=0, end=1, **schedule),
                dict(type=CosineAnnealingLR, begin=1, end=EPOCHS, **schedule),
            ],
            default_hooks=dict(
                logger=dict(type="LoggerHook", interval=2),
                checkpoint=dict(
                    type=AtomicCheckpointHook,
                    interval=1,
                    max_keep_ckpts=1,
                    save_best="mean",
                    rule="greater",
                ),
            ),
            custom_hooks=hooks,
            randomness=dict(seed=seed),
            # By default the second of the start: runs of the same one would share a message hub.
            experiment_name=uuid.uuid4().hex,
            log_level="WARNING",
        )
    )


def train(cfg):
    Runner.from_cfg(cfg).train()


def resume(work_dir, **options):
    cfg = make_config(work_dir, **options)
    cfg.resume, cfg.load_from = True, str(find_resume(work_dir))
    train(cfg)


def load(path):
    return torch.load(path, weights_only=False)  # with mmengine's message hub


def rows_without_times(work_dir):
    rows = read_history(work_dir / "metrics.jsonl")
    return [{k: v for k, v in r.items() if not k.endswith(("time", "memory_mb"))} for r in rows]


def assert_same_end(work_dir, whole):
    """The runs in two work dirs ended with the same bits, and left the same files and history."""
    expected, found = (load(d / f"epoch_{EPOCHS}.pth") for d in (whole, work_dir))
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
        assert_equal(expected[part], found[part], part)
    assert rows_without_times(work_dir) == rows_without_times(whole)
    files = [sorted(p.name for p in d.glob("*.pth")) for d in (whole, work_dir)]
    assert files[0] == files[1]


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


def main():
    root, *runs = sys.argv[1:]
    for run in runs:
        place, workers, accumulated = run.split("-")
        child = os.fork()  # one import of torch for all
        if child == 0:
            numbers = dict(workers=int(workers), accumulated=int(accumulated))
            try:
                train(make_config(Path(root) / run, place=place, **numbers))
            except TrainingInterrupted as stop:
                print(stop, file=sys.stderr, flush=True)
                os._exit(stop.status)
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
