"""What our runner changes: schedulers too short to end, what a checkpoint brings and refuses."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mnv4_vision.core.backbones import TimmBackbone, deploy
from mnv4_vision.core.engine import RunOptions, run
from mnv4_vision.core.engine.checkpoint import load_checkpoint_checked
from mnv4_vision.core.engine.prepare import _normalise
from mnv4_vision.core.engine.run import _resume_from
from mnv4_vision.core.engine.runner import _shorter_than_a_step
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_params


@pytest.mark.parametrize(
    ("end", "steps", "left_out"),
    [(1, 50, False), (1, 2, False), (1, 1, True), (0.4, 3, True), (0.4, 2, True), (0.4, 5, False)],
)
def test_warm_up_that_would_stay_at_its_start_is_left_out(end, steps, left_out):
    """`LinearLR` reaches its end after `end - begin - 1` steps: with one step, never."""
    warm_up = dict(type="LinearLR", begin=0, end=end, by_epoch=True, convert_to_iter_based=True)
    assert _shorter_than_a_step(warm_up, steps) is left_out


def test_schedulers_by_iteration_stay():
    assert not _shorter_than_a_step(dict(type="LinearLR", begin=0, end=1), 3)


@pytest.mark.parametrize(
    ("cfg_options", "mean"),
    [({}, [10.0, 20.0, 30.0]), ({"model.data_preprocessor.mean": [1.0, 2.0, 3.0]}, [1, 2, 3])],
)
def test_a_checkpoint_brings_its_normalisation_unless_one_is_typed(tmp_path, cfg_options, mean):
    trained = "model = dict(data_preprocessor=dict(mean=[10.0, 20.0, 30.0], std=[5.0, 5.0, 5.0]))"
    file = tmp_path / "epoch_1.pth"
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "meta": {"cfg": trained}}, file)
    cfg = Config(dict(model=dict(data_preprocessor=dict(mean=[1.0, 2.0, 3.0], std=[1.0] * 3))))
    _normalise(cfg, RunOptions(config="", cfg_options=cfg_options), file)
    assert cfg.model.data_preprocessor.mean == pytest.approx(mean)


def test_evaluation_joins_parallel_branches(tmp_path, monkeypatch):
    pytest.importorskip("timm")
    torch.manual_seed(0)
    trained = torch.nn.Sequential(TimmBackbone("mobileone_s0", out_indices=(4,))).train()
    image = torch.rand(2, 3, 32, 32)
    trained(image)  # statistics
    torch.save({"state_dict": trained.state_dict(), "meta": {}}, tmp_path / "epoch_1.pth")
    model = torch.nn.Sequential(TimmBackbone("mobileone_s0", out_indices=(4,)))
    data = SimpleNamespace(dataset=SimpleNamespace(metainfo={"classes": ("one",)}))
    outputs = []

    def evaluate():
        with torch.no_grad():
            outputs.extend(model.eval()(image))
        return {"params": count_params(model)}

    runner = SimpleNamespace(model=model, test_dataloader=data, test=evaluate)
    cfg = Config(dict(model=dict(data_preprocessor={})))
    monkeypatch.setattr(run, "prepare_config", lambda *_, **__: (cfg, None))
    monkeypatch.setattr(run.Runner, "from_cfg", lambda _: runner)
    metrics = run.test(RunOptions(config=""), str(tmp_path / "epoch_1.pth"))
    assert metrics["params"] == count_params(deploy(trained)) < count_params(trained) / 2
    with torch.no_grad():
        (expected,) = trained.eval()(image)
    spread = expected.std().item()
    torch.testing.assert_close(outputs[0], expected, rtol=1e-3, atol=1e-3 * spread)


@pytest.mark.parametrize("length", ["max_epochs", "max_iters"])
def test_resuming_asks_for_the_same_length(tmp_path, length):
    """mmengine's loop by iterations writes `max_epochs=1` into its checkpoints."""
    planned = {"max_epochs": 1, "max_iters": 40} | {length: 8}
    rest = {"optimizer": {}, "param_schedulers": [], "message_hub": {"runtime_info": planned}}
    file = tmp_path / "last.pth"
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "meta": {}, **rest}, file)
    assert _resume_from(Config(dict(train_cfg={length: 8})), str(file)) == file
    with pytest.raises(InputError, match=f"training of 8 {length[4:]}, this one has 9"):
        _resume_from(Config(dict(train_cfg={length: 9})), str(file))


def test_classes_in_another_order_are_named(tmp_path):
    names, model = ("cat", "dog", "owl", "fox", "hen"), torch.nn.Linear(1, 1)
    file = tmp_path / "last.pth"
    meta = {"dataset_meta": {"classes": names}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, file)
    load_checkpoint_checked(model, file, classes=names)
    with pytest.raises(InputError, match=r"class 3: 'fox' there, 'hen' here"):
        load_checkpoint_checked(model, file, classes=(*names[:3], "hen", "fox"))
