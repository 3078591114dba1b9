"""A training of seconds with every kind of randomness.

    python tiny_run.py DIR PLACE-WORKERS ...

trains in DIR/PLACE-WORKERS until it is killed at PLACE, and prints each wait status.
"""

import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook, Hook
from mmengine.model import BaseModel, ExponentialMovingAverage
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner, ValLoop
from torch import nn

from mnv4_vision.core import files
from mnv4_vision.core.engine.history import HistoryHook
from mnv4_vision.core.engine.progress import ProgressHook
from mnv4_vision.core.engine.resume import AtomicCheckpointHook, ExactResumeHook

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
    def __init__(self):
        super().__init__()
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


class KillHook(Hook):
    """Ends the process as `kill -9` does: in epoch 3, in epoch 2's validation, or while saving."""

    priority = "LOW"

    def __init__(self, place):
        self.place = place

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.place == "train" and runner.iter + 1 == 2 * ITERATIONS + 3:
            kill()

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.place == "val" and runner.epoch == 2:
            kill()

    def after_train_epoch(self, runner):
        if self.place == "save" and runner.epoch == 2:
            files.os.replace = lambda *_: kill()


class ProbeHook(Hook):
    """Remembers what each training batch of the latest run held."""

    seen = []

    def before_train(self, runner):
        self.seen.clear()

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append(data_batch[0].sum().item())


class QuietRunner(Runner):
    def _log_env(self, env_cfg):
        """Collecting the environment takes longer than the training."""


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def make_config(work_dir, *, workers=0, seed=3, place=None):
    loader = dict(batch_size=4, num_workers=workers, collate_fn=dict(type="default_collate"))
    hooks = [dict(type=EMAHook, ema_type=ExponentialMovingAverage, momentum=0.1)]
    hooks += [dict(type=ExactResumeHook), dict(type=HistoryHook), dict(type=ProgressHook)]
    hooks += [dict(type=ProbeHook)]
    hooks += [dict(type=KillHook, place=place)] if place else []
    schedule = dict(by_epoch=True, convert_to_iter_based=True)
    return Config(
        dict(
            model=dict(type=TinyModel),
            work_dir=str(work_dir),
            train_dataloader=dict(
                **loader,
                persistent_workers=workers > 0,
                sampler=dict(type=DefaultSampler, shuffle=True),
                dataset=dict(type=NoisyData),
            ),
            val_dataloader=dict(
                **loader,
                sampler=dict(type=DefaultSampler, shuffle=False),
                dataset=dict(type=NoisyData),
            ),
            train_cfg=dict(type=EpochBasedTrainLoop, max_epochs=EPOCHS),
            val_cfg=dict(type=ValLoop),
            val_evaluator=dict(type=MeanScore),
            optim_wrapper=dict(type=OptimWrapper, optimizer=dict(type=torch.optim.AdamW, lr=0.05)),
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
            log_level="WARNING",
        )
    )


def train(cfg):
    QuietRunner.from_cfg(cfg).train()


def main():
    root, *runs = sys.argv[1:]
    for run in runs:
        place, workers = run.split("-")
        child = os.fork()  # one import of torch for all
        if child == 0:
            train(make_config(Path(root) / run, workers=int(workers), place=place))
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
