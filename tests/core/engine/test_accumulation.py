"""Gradient accumulation is a larger batch: the same weights, learning rate and averages."""

import pytest
import tiny_run
import torch
from torch import nn

from mnv4_vision.core.engine import load_config
from mnv4_vision.core.engine.accumulation import EffectiveBatch, set_accumulation


class PlainData(tiny_run.NoisyData):
    def __getitem__(self, index):
        return torch.sin(torch.arange(8.0) * (index + 1)), index % 2


class PlainModel(tiny_run.TinyModel):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2))


def weights(work_dir, batch_size, accumulated):
    cfg = tiny_run.make_config(work_dir, accumulated=accumulated, history=False)
    cfg.model.type = PlainModel
    cfg.train_dataloader.dataset.type = cfg.val_dataloader.dataset.type = PlainData
    cfg.train_dataloader.batch_size, cfg.param_scheduler = batch_size, None
    cfg.optim_wrapper.clip_grad = dict(max_norm=0.05)
    cfg.optim_wrapper.optimizer = dict(type=torch.optim.SGD, lr=0.5, momentum=0.9)
    cfg.auto_scale_lr = dict(enable=True, base_batch_size=16)
    cfg.custom_hooks = cfg.custom_hooks[1:]  # no EMA: the weights themselves
    cfg.train_cfg.max_epochs, cfg.val_dataloader, cfg.val_cfg, cfg.val_evaluator = 2, *[None] * 3
    cfg.default_hooks.checkpoint.save_best = None
    tiny_run.train(cfg)
    return tiny_run.load(work_dir / "epoch_2.pth")


def test_four_batches_of_two_are_one_of_eight(tmp_path):
    """20 images: two whole updates and one of four images, in each of two epochs."""
    large, small = weights(tmp_path / "8", 8, 1), weights(tmp_path / "2", 2, 4)
    for key, tensor in large["state_dict"].items():
        torch.testing.assert_close(small["state_dict"][key], tensor, atol=1e-6, rtol=1e-5)
    rates = [state["optimizer"]["param_groups"][0]["lr"] for state in (large, small)]
    assert rates == [0.25, 0.25]


def test_averages_follow_the_updates():
    cfg = load_config("configs/det/retina_mnv4_conv_s.py")
    gamma = cfg.default_hooks.ema.gamma
    set_accumulation(cfg, 4)
    assert cfg.optim_wrapper.accumulative_counts == 4
    assert (cfg.default_hooks.ema.interval, cfg.default_hooks.ema.gamma) == (4, 4 * gamma)
    set_accumulation(cfg, 2)  # of a run's own config
    assert (cfg.default_hooks.ema.interval, cfg.default_hooks.ema.gamma) == (2, 2 * gamma)


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (EffectiveBatch(8), "8"),
        (EffectiveBatch(8, 1, 4), "32 = 8 images x 1 process x 4 accumulated"),
        (EffectiveBatch(8, 2), "16 = 8 images x 2 processes"),
    ],
)
def test_effective_batch_in_words(batch, text):
    assert str(batch) == text
