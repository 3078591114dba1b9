"""Importing the package first repairs mmcv and torchvision for whatever a test imports."""

import io
import os
import runpy
import socket
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import mnv4_vision  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep converted and verified data out of the user's cache, in subprocesses too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MNV4_VISION_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def same_threads():
    """Undo what a benchmark sets: sums of other thread counts are not bit-equal."""
    import torch

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def run_here():
    """Run a tool in this process, which has torch imported already: seconds less each time."""

    def run_tool(tool, *args, status=0) -> tuple[str, str]:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.syspath_prepend(str(ROOT / "tools"))
            patch.chdir(ROOT)
            patch.setattr(sys, "argv", [str(ROOT / "tools" / f"{tool}.py"), *map(str, args)])
            with pytest.raises(SystemExit) as end:
                runpy.run_path(sys.argv[0], run_name="__main__")
        out, err = out.getvalue(), err.getvalue()
        assert end.value.code == status, (out + err)[-3000:]
        return out, err

    return run_tool


@pytest.fixture(scope="session")
def run_two_ranks():
    """Run a script as the two processes of a gloo group; its rank goes before its arguments."""

    def run_both(script: str, folder: Path, *args: object) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        shared = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "WORLD_SIZE": "2",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(folder), str(rank), *map(str, args)],
                env=os.environ | shared | {"RANK": str(rank)},
            )
            for rank in range(2)
        ]
        assert [process.wait(timeout=200) for process in processes] == [0, 0]

    return run_both
