"""train, test and infer on a few small scenes through the tools: files, scores, resume."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mnv4_vision.core.engine import read_checkpoint, read_history
from mnv4_vision.datasets import DEMO_CLASSES, make_demo
from mnv4_vision.datasets.masks import read_mask

CONFIG = "configs/seg/deeplabv3plus_mnv4_conv_s_scratch.py"
SMALL = ("--pretrained", "none", "--image-size", "64", "--batch-size", "4", "--epochs", "2",
         "--cfg-options", "model.backbone.arch=conv_s_035", "model.decode_head.channels=16",
         "train_dataloader.dataset.pipeline.2.crop_size=(64,64)", "train_cfg.val_interval=1",
         "train_dataloader.num_workers=0", "val_dataloader.num_workers=0",
         "test_dataloader.num_workers=0", "default_hooks.checkpoint.max_keep_ckpts=2")  # fmt: skip
CLASSES = ("background", *DEMO_CLASSES)
SIDE = 96


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("scenes") / "demo", train=8, val=3, image_size=SIDE)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory, run_here):
    """Two epochs of two steps."""
    work_dir = tmp_path_factory.mktemp("runs") / "whole"
    run_here("train", CONFIG, "--data-root", data, "--work-dir", work_dir, *SMALL)
    return work_dir


def validations(work_dir) -> list[dict]:
    return [row for row in read_history(work_dir / "metrics.jsonl") if row["mode"] == "val"]


def test_training_scores_every_class_and_keeps_the_best(trained):
    rows = validations(trained)
    assert [row["iter"] for row in rows] == [2, 4]
    for row in rows:
        of_classes = [row[f"seg/IoU/{name}"] for name in CLASSES]
        there = [score for score in of_classes if score is not None]
        assert row["seg/mIoU"] == pytest.approx(np.mean(there), abs=1e-6)
    (best,) = trained.glob("best_*.pth")
    assert "mIoU" in best.name
    assert read_checkpoint(best)["meta"]["dataset_meta"]["classes"] == CLASSES


def test_report_repeats_the_last_validation(trained, run_here, tmp_path):
    page = tmp_path / "page" / "report.html"
    out, err = run_here("test", trained / "config.py", trained / "epoch_2.pth", "--report", page,
                        "--work-dir", tmp_path / "work")  # fmt: skip
    metrics = json.loads((page.parent / "metrics.json").read_text())
    last = validations(trained)[-1]
    assert metrics["mIoU"] == pytest.approx(last["seg/mIoU"], abs=1e-6)
    assert metrics["num_images"] == 3
    assert str(page) in out + err
    assert all(name in page.read_text() for name in CLASSES)


def test_infer_writes_labels_of_the_photos_size(trained, data, run_here, tmp_path):
    run_here("infer", trained / "config.py", trained, data / "val", "--out", tmp_path)
    masks = sorted(tmp_path.glob("val_*.png"))
    assert len(masks) == len(list(tmp_path.glob("val_*.jpg"))) == 3
    for mask in masks:
        labels = read_mask(mask)  # OpenCV would look the palette up
        assert labels.shape == (SIDE, SIDE)
        assert labels.max() < len(CLASSES)


def test_infer_takes_settings_of_the_model(trained, data, run_here, tmp_path):
    line = last_line(run_here("infer", trained / "config.py", trained, data / "val", "--out",
                              tmp_path, "--cfg-options", "model.test_cfg.flip=maybe",
                              status=2))  # fmt: skip
    assert "model.test_cfg.flip='maybe'; it takes True or False" in line


def test_resumed_training_ends_like_an_uninterrupted_one(trained, data, run_here, tmp_path):
    half = tmp_path / "half"
    half.mkdir()
    shutil.copy(trained / "epoch_1.pth", half)
    run_here("train", CONFIG, "--data-root", data, "--work-dir", half, "--resume", *SMALL)
    whole, resumed = (
        read_checkpoint(folder / "epoch_2.pth")["state_dict"] for folder in (trained, half)
    )
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert validations(half)[-1]["seg/mIoU"] == validations(trained)[-1]["seg/mIoU"]


def name_classes(data, tmp_path, classes) -> Path:
    """Copy the scenes, with the classes of a file."""
    other = Path(shutil.copytree(data, tmp_path / "other"))
    (other / "demo.json").unlink()
    (other / "classes.txt").write_text("\n".join(classes))
    return other


def last_line(outputs: tuple[str, str]) -> str:
    assert "Traceback" not in "".join(outputs)
    line = outputs[1].strip().splitlines()[-1]
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (CLASSES[::-1], "was trained for the classes background, disc"),
        ((*CLASSES, "moon"), "was trained for 6 classes"),
    ],
)
def test_checkpoint_of_other_classes_is_refused(trained, data, run_here, tmp_path, classes, words):
    other = name_classes(data, tmp_path, classes)
    line = last_line(run_here("test", trained / "config.py", trained, "--data-root", other,
                              status=2))  # fmt: skip
    assert words in line
    assert "best_" in line


def test_checkpoint_of_another_model_is_refused(trained, data, run_here, tmp_path):
    line = last_line(run_here("test", "configs/seg/lraspp_mnv4_conv_s_scratch.py", trained,
                              "--data-root", data, status=2))  # fmt: skip
    assert "best_" in line
    assert "is of another model" in line


@pytest.mark.parametrize("pattern", ["masks/train/*.png", "val/*"])
def test_damaged_file_ends_a_training_before_it_starts(data, run_here, tmp_path, pattern):
    other = Path(shutil.copytree(data, tmp_path / "other"))
    file = sorted(other.glob(pattern))[1]
    file.write_bytes(file.read_bytes()[:-60])
    work_dir = tmp_path / "work"
    line = last_line(run_here("train", CONFIG, "--data-root", other, "--work-dir", work_dir,
                              *SMALL, status=2))  # fmt: skip
    assert str(file) in line
    assert not work_dir.exists()
