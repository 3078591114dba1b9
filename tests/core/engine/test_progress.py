import io
import logging
import re
import sys
from types import SimpleNamespace

import pytest

from mnv4_vision.core.engine.progress import ProgressHook


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(stream, monkeypatch):
    """Two epochs of three iterations with a log line each; what `stream` then holds."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("mnv4_vision.core.engine.progress.REFRESH_S", 0)
    handler = logging.StreamHandler(stream)
    logger = logging.Logger("test")
    logger.addHandler(handler)
    scalars = {"train/loss": 0.25, "train/lr": 0.01, "train/time": 0.2}
    buffers = {
        k: SimpleNamespace(current=lambda v=v: v, mean=lambda n, v=v: v) for k, v in scalars.items()
    }
    hub = SimpleNamespace(log_scalars=buffers)
    runner = SimpleNamespace(logger=logger, message_hub=hub, max_iters=6, max_epochs=2)
    sampler = SimpleNamespace(batch_size=8)
    runner.train_dataloader, runner.world_size = SimpleNamespace(batch_sampler=sampler), 1
    runner.val_dataloader, runner.iter = [0] * 4, 0
    hook = ProgressHook()
    hook.before_train(runner)
    for runner.iter in range(6):
        runner.epoch = runner.iter // 3
        hook.after_train_iter(runner, runner.iter % 3)
        logger.info("line %d of the log", runner.iter)
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 1)
    hook.after_val_epoch(runner)
    hook.after_run(runner)
    assert handler.stream is stream
    assert sys.stdout is stream
    return stream.getvalue()


def test_bar_and_whole_log_lines_in_a_terminal(monkeypatch):
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", run(Terminal(), monkeypatch)).replace("\r", "\n")
    lines = [line.strip() for line in shown.split("\n")]
    assert [line for line in lines if "of the log" in line] == [
        f"line {i} of the log" for i in range(6)
    ]
    assert any(
        re.match(r"epoch 2/2  loss 0.25  lr 0.01  40 images/s .* 6/6 .* left ", line)
        for line in lines
    )
    assert any(re.match(r"validate .* 2/4 ", line) for line in lines)


@pytest.mark.parametrize("stream", [io.StringIO()])
def test_plain_lines_elsewhere(monkeypatch, stream):
    assert run(stream, monkeypatch) == "".join(f"line {i} of the log\n" for i in range(6))
