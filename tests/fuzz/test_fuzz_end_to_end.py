"""Spoilt files met by a whole training, in its own process and in a loader worker."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_sets import PIPELINES, make_coco
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from mnv4_vision.core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "det/ssdlite_mnv4_conv_s_scratch.py"


def truncate(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-200])
    return path.name


def train(config: Path, data: Path, work_dir: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "tools" / "train.py", config, "--data-root", data]
    command += ["--work-dir", work_dir, "--epochs", "1", "--batch-size", "2"]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=200
    )


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", ["annotations", "image", "config"])
def test_train_tool_ends_with_one_line(tmp_path, spoilt):
    data = make_coco(tmp_path / "data")
    configs = Path(shutil.copytree(ROOT / "configs", tmp_path / "configs"))
    files = {
        "annotations": data / "annotations" / "instances_train.json",
        "image": data / "train" / "train_2.jpg",
        "config": configs / CONFIG,
    }
    name = truncate(files[spoilt])
    done = train(configs / CONFIG, data, tmp_path / "work")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert name in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "work").rglob("*.pth"))


def test_image_that_goes_bad_while_training_is_named_by_the_worker(tmp_path, monkeypatch):
    """Its message comes wrapped in a traceback; the tool takes the line out of it."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    from _cli import _one_line

    data = make_coco(tmp_path / "data")
    init_default_scope("mmdet")
    dataset = DATASETS.build(
        {
            "type": "CocoDataset",
            "ann_file": str(data / "annotations" / "instances_train.json"),
            "data_prefix": {"img": str(data / "train")},
            "metainfo": {"classes": ("cat", "dog")},
            "pipeline": PIPELINES["train"],
        }
    )
    name = truncate(data / "train" / "train_2.jpg")
    loader = DataLoader(dataset, num_workers=1, collate_fn=list)
    with pytest.raises(InputError) as caught:
        list(loader)
    line = _one_line(caught.value)
    assert line.startswith("image ")
    assert name in line
    assert "Traceback" not in line
