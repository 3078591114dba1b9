import subprocess
import sys
from pathlib import Path

import pytest
from dataset_helpers import write_tiny_coco

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


def test_demo_then_check(run_tool, tmp_path):
    root = tmp_path / "demo"
    options = ("--train", 6, "--val", 2, "--image-size", 64, "--seed", 3)
    assert run_tool("demo", "--out", root, *options)[0] == 0
    status, out, _ = run_tool("check", root, "--decode")
    assert status == 0
    assert "images   6, width 64 to 64" in out
    assert "images   2, width 64 to 64" in out


def test_bad_data_is_one_line_and_status_2(run_tool, tmp_path):
    annotations, images = write_tiny_coco(tmp_path)
    (tmp_path / "val.json").write_text(annotations.read_text())
    (images / "b.jpg").unlink()
    status, _, err = run_tool("check", tmp_path)
    assert status == 2
    assert err.count("\n") == 1
    assert err.startswith(f"error: 1 of 2 images of {annotations}")


def test_missing_data_root(run_tool, tmp_path):
    status, _, err = run_tool("check", tmp_path / "nothing")
    assert status == 2
    assert "does not exist" in err
    assert "tools/data.py demo" in err


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
