from types import SimpleNamespace

import pytest
from torch import nn

from mnv4_vision.core.engine.batch_norm import warn_of_small_batches


class HalfFrozen(nn.Sequential):
    def train(self, mode=True):
        super().train(mode)
        self[0].eval()
        return self


def warnings_of(model, images):
    said = []
    loader = SimpleNamespace(batch_sampler=SimpleNamespace(batch_size=images))
    logger = SimpleNamespace(warning=said.append)
    runner = SimpleNamespace(model=model, train_dataloader=loader, world_size=2, logger=logger)
    warn_of_small_batches(runner)
    return said


def test_says_how_many_layers_see_how_few_images():
    (line,) = warnings_of(HalfFrozen(nn.BatchNorm2d(4), nn.BatchNorm2d(4)), images=2)
    assert line.startswith("1 of 2 BatchNorm layers take their statistics from 2 images")


@pytest.mark.parametrize(
    ("model", "images"),
    [
        (nn.Sequential(nn.BatchNorm2d(4)), 4),
        (HalfFrozen(nn.BatchNorm2d(4)), 1),
        (nn.Sequential(nn.GroupNorm(2, 4)), 1),
        (nn.Sequential(nn.SyncBatchNorm(4)), 2),  # of two processes
    ],
)
def test_silent_where_statistics_are_sound(model, images):
    assert not warnings_of(model, images)
