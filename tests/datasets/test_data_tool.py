import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset_helpers import write_tiny_coco

from mnv4_vision.datasets import make_demo

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """Run `tools/data.py` in this process: exit status, stdout, stderr."""
    monkeypatch.setattr(sys, "path", [str(TOOLS), *sys.path])
    monkeypatch.delitem(sys.modules, "data", raising=False)
    from _cli import run_cli

    import data

    def run(*args) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["data.py", *map(str, args)])
        status = run_cli(data.main)
        out, err = capsys.readouterr()
        return status, out, err

    yield run
    sys.modules.pop("data", None)


def test_demo_then_verify(run_tool, tmp_path):
    root = tmp_path / "demo"
    options = ("--train", 6, "--val", 2, "--image-size", 64, "--seed", 3)
    assert run_tool("demo", "--out", root, *options)[0] == 0
    status, out, _ = run_tool("verify", root, "--decode")
    assert status == 0
    assert out.startswith(f"{root}: COCO")
    assert "images  6, all 64x64" in out
    assert "images  2, all 64x64" in out


def test_bad_data_is_listed_with_one_error_line_and_status_2(run_tool, tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    (tmp_path / "val.json").write_text(annotations.read_text())
    (images / "b.jpg").unlink()
    status, out, err = run_tool("verify", tmp_path)
    assert status == 2
    assert "error    train: images that are not there: 1 of 2" in out
    assert "error    val: validation images that are in train too: 1 of 1" in out
    assert err.count("\n") == 1
    assert err.startswith(f"error: {images / 'b.jpg'} ({annotations}) does not exist")


def test_stats_writes_a_plot_and_numbers(run_tool, tmp_path):
    root = make_demo(tmp_path / "demo", train=6, val=2, image_size=64)
    out = tmp_path / "stats"
    assert run_tool("stats", root, "--out", out)[0] == 0
    assert (out / "stats.png").read_bytes().startswith(b"\x89PNG")
    train = json.loads((out / "stats.json").read_text())["train"]
    boxes = json.loads((root / "annotations/instances_train.json").read_text())["annotations"]
    assert train["num_boxes"] == len(boxes)
    median = np.median([np.sqrt(box["area"]) for box in boxes])
    assert train["percentiles"]["sizes_px"]["50"] == pytest.approx(median)
    assert sum(train["class_counts"].values()) == len(boxes)


def test_masks_are_looked_at_on_demand(run_tool, tmp_path):
    root = make_demo(tmp_path / "demo", train=4, val=2, image_size=64)
    status, out, _ = run_tool("verify", root)
    assert status == 0
    assert "boxes are looked at; --task seg looks at the masks" in out
    assert "boxes   " in out
    status, out, _ = run_tool("verify", root, "--task", "seg")
    assert status == 0
    assert "images  4, all 64x64" in out
    assert "0.0 million, 0.0 % without class" in out
    status, out, _ = run_tool("stats", root, "--task", "seg", "--out", tmp_path / "stats")
    train = json.loads((tmp_path / "stats" / "stats.json").read_text())["train"]
    assert train["num_pixels"] == 4 * 64 * 64
    assert sum(train["class_percent"].values()) == pytest.approx(100)


def test_masks_without_boxes_are_found(run_tool, tmp_path):
    root = make_demo(tmp_path / "demo", train=3, val=2, image_size=64)
    for file in (root / "annotations").iterdir():
        file.unlink()
    assert "background" in run_tool("verify", root)[1]
    assert run_tool("browse", root, "--out", tmp_path / "page", "--num", 1)[0] == 0
    assert ".png, 0.0 % without class" in (tmp_path / "page" / "index.html").read_text()
    status, _, err = run_tool("verify", root, "--task", "det")
    assert (status, err.count("\n")) == (2, 1)


def test_a_bad_mask_is_one_error_line(run_tool, tmp_path):
    root = make_demo(tmp_path / "demo", train=3, val=2, image_size=64)
    mask = root / "masks" / "val" / "val_000001.png"
    mask.write_bytes(mask.read_bytes()[:50])
    status, out, err = run_tool("verify", root, "--task", "seg")
    assert (status, err.count("\n")) == (2, 1)
    assert "error    val: masks that cannot be read: 1 of 2" in out
    assert err.startswith(f"error: mask {mask} ")


def test_missing_data_root(run_tool, tmp_path):
    status, _, err = run_tool("verify", tmp_path / "nothing")
    assert status == 2
    assert "does not exist" in err
    assert "tools/data.py demo" in err


def test_download_of_a_licensed_set_says_how_to_get_it(run_tool, tmp_path):
    status, out, err = run_tool("download", "imagenet", "--split", "val", "--out", tmp_path)
    assert status == 2
    assert "1. Register at https://image-net.org" in out
    assert "ILSVRC2012_img_val.tar" in err
    assert "ILSVRC2012_img_train.tar" not in err


def test_convert_prints_what_was_written_and_lost(run_tool, tmp_path):
    source = make_demo(tmp_path / "demo", train=3, val=2, image_size=64)
    options = ("--to", "yolo", "--out", tmp_path / "yolo", "--images", "hardlink")
    status, out, _ = run_tool("convert", source, *options)
    assert status == 0
    assert "  train  3 images; boxes: disc " in out
    assert re.search(r"warning  outlines reduced to their box: \d+\n", out)
    status, _, err = run_tool("convert", source, *options)
    assert (status, err.count("\n")) == (2, 1)
    assert "is not empty; give a new folder" in err


def test_split(run_tool, tmp_path):
    source = make_demo(tmp_path / "demo", train=10, val=1, image_size=64)
    (source / "annotations" / "instances_val.json").unlink()
    status, out, _ = run_tool("split", source, "--out", tmp_path / "out", "--val", 0.3)
    assert status == 0
    assert "COCO without splits: instances_train.json" in out
    assert "  train  7 images; boxes: disc " in out
    assert "  val    3 images; boxes: disc " in out


def test_help_imports_nothing_heavy():
    """Heavy imports before argparse would make --help take seconds."""
    script = (
        "import runpy, sys, atexit\n"
        "sys.argv = ['data.py', '--help']\n"
        "heavy = {'torch', 'cv2', 'numpy', 'mmcv', 'mnv4_vision'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
        f"sys.path.insert(0, {str(TOOLS)!r})\n"
        f"runpy.run_path({str(TOOLS / 'data.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
    assert "HEAVY []" in done.stdout
