"""Trackers get the numbers, and a resumed run goes on in its own record."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import tiny_run
from mmengine.config import Config

from mnv4_vision.core.engine.loggers import add_loggers, connect_loggers
from mnv4_vision.core.errors import InputError


class FakeTracker(ModuleType):
    """Both wandb and mlflow, as far as mmengine's backends go; remembers every call."""

    def __init__(self, name):
        super().__init__(name)
        self.calls = []
        self.config = SimpleNamespace(update=lambda *args, **kwargs: None)
        self.run = SimpleNamespace(log_code=lambda **kwargs: None)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return SimpleNamespace(info=SimpleNamespace(run_id="run-7"))

        return call

    def of(self, name):
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


def train(work_dir, name, resume=False):
    cfg = tiny_run.make_config(work_dir, history=False)
    cfg.visualizer = dict(type="Visualizer", vis_backends=[])
    add_loggers(cfg, [name])
    if resume:
        cfg.resume, cfg.load_from = True, str(work_dir / "epoch_4.pth")
    connect_loggers(cfg, resume)
    tiny_run.train(cfg)


def test_wandb_run_goes_on(tmp_path, monkeypatch):
    fake = FakeTracker("wandb")
    monkeypatch.setitem(sys.modules, "wandb", fake)
    train(tmp_path, "wandb")
    logged = [args[0] for args, _ in fake.of("log")]
    assert any("loss" in row for row in logged)
    assert any("mean" in row for row in logged)
    train(tmp_path, "wandb", resume=True)
    first, second = (kwargs for _, kwargs in fake.of("init"))
    assert (
        first["id"] == second["id"] == json.loads((tmp_path / "run_ids.json").read_text())["wandb"]
    )
    assert second["resume"] == "allow"


def test_mlflow_run_goes_on(tmp_path, monkeypatch):
    fake = FakeTracker("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    train(tmp_path, "mlflow")
    assert any("loss" in args[0] for args, _ in fake.of("log_metrics"))
    assert len(fake.of("log_params")) == 1
    train(tmp_path, "mlflow", resume=True)
    assert [kwargs["run_id"] for _, kwargs in fake.of("start_run")] == [None, "run-7"]
    assert len(fake.of("log_params")) == 1  # MLflow refuses changed parameters


def test_tensorboard_scalars_can_be_read_back(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, "tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"loss", "lr", "mean"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("mean")] == [1, 2, 3, 4]


def test_unknown_or_absent_trackers_are_one_line(monkeypatch):
    cfg = Config(dict(visualizer=dict(vis_backends=[])))
    with pytest.raises(InputError, match="did you mean 'wandb'"):
        add_loggers(cfg, ["wanb"])
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError, match=r"pip install -e \.\[mlflow\]"):
        add_loggers(cfg, ["mlflow"])
