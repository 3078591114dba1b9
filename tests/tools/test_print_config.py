"""print_config: the text is a config again, and a difference names every change once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnv4_vision.core.engine import RunOptions, load_config, show_config
from mnv4_vision.core.engine.show import config_of_bases, flat_difference
from mnv4_vision.core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = "configs/det/retina_mnv4_conv_m_scratch.py"


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_printed_config_is_the_config_that_runs(tmp_path):
    file = tmp_path / "printed.py"
    file.write_text(show_config(RunOptions(config=SCRATCH, epochs=10, image_size=256)))
    cfg = load_config(str(file))
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[1].end == 10
    assert tuple(cfg.image_size) == (256, 256)
    assert cfg.model.data_preprocessor.mean
    again = show_config(RunOptions(config=str(file), work_dir=cfg.work_dir))
    assert again == file.read_text()


def test_difference_of_a_leaf_is_what_it_says():
    options = RunOptions(config=SCRATCH, cfg_options={"model.neck.num_outs": 4})
    changes = json.loads(show_config(options, diff=True, as_json=True))
    assert changes["config file"]["train_dataloader.batch_size"] == {"old": 16, "new": 8}
    assert set(changes["config file"]) == {
        "model.backbone.pretrained",
        "train_dataloader.batch_size",
        "train_dataloader.dataset.pipeline.2.ratio_range",
    }
    flags = changes["flags and resolution"]
    assert flags["model.neck.num_outs"] == {"old": 5, "new": 4}
    assert "new" in flags["model.data_preprocessor.mean"]
    assert "old" not in flags["model.data_preprocessor.mean"]
    assert not any(path.endswith(".type") for path in flags)


def test_text_of_a_difference():
    options = RunOptions(config=SCRATCH, seed=3)
    text = show_config(options, diff=True, key="train_dataloader")
    assert text.splitlines() == [
        f"# {SCRATCH} against its bases",
        "  train_dataloader.batch_size = 8  # was 16",
        "  train_dataloader.dataset.pipeline.2.ratio_range = (0.8, 1.25)  # was (0.5, 2.0)",
        "# flags and resolution against the config file",
        "  nothing",
    ]


def test_bases_that_import_bases_and_single_names(tmp_path):
    (tmp_path / "first.py").write_text("a = dict(x=1, y=2)\nb = 1\n")
    (tmp_path / "second.py").write_text(
        "from mmengine.config import read_base\nwith read_base():\n    from .first import *\n"
        "a.update(x=3)\n"
    )
    leaf = tmp_path / "leaf.py"
    leaf.write_text(
        "from mmengine.config import read_base\nwith read_base():\n    from .second import a\n"
        "a.update(y=4)\nc = [dict(k=1)]\n"
    )
    base = config_of_bases(str(leaf)).to_dict()
    assert base == {"a": {"x": 3, "y": 2}}
    changes = flat_difference(base, load_config(str(leaf)).to_dict())
    assert changes["a.y"] == (2, 4)
    assert set(changes) == {"a.y", "c.0.k"}


def test_parts_and_what_is_not_there():
    options = RunOptions(config=SCRATCH)
    head = json.loads(show_config(options, key="model.bbox_head", as_json=True))
    assert head["type"] == "mnv4_vision.det.SeparableRetinaHead"
    step = json.loads(show_config(options, key="param_scheduler.1.end", as_json=True))
    assert step == 40
    with pytest.raises(InputError, match=r"model.bbox_head has no 'los_cls' \(did you mean"):
        show_config(options, key="model.bbox_head.los_cls")
    with pytest.raises(InputError, match=r"model has no 'bbox_haed' \(did you mean 'bbox_head'"):
        show_config(options, key="model.bbox_haed", diff=True)
    with pytest.raises(InputError, match=r"param_scheduler has no '2'; it has 0, 1"):
        show_config(options, key="param_scheduler.2")


def test_config_without_bases_has_no_difference(tmp_path):
    file = tmp_path / "printed.py"
    file.write_text(show_config(RunOptions(config=SCRATCH)))
    with pytest.raises(InputError, match=r"printed.py has no base"):
        show_config(RunOptions(config=str(file)), diff=True)


def test_tool_takes_the_flags_of_train_and_keeps_stdout_clean():
    command = [sys.executable, "tools/print_config.py", SCRATCH, "--epochs", "7", "--json"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["train_cfg"]["max_epochs"] == 7
