import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch._utils import ExceptionWrapper

from mnv4_vision.core.errors import InputError, MissingFileError

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def run_cli(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(TOOLS), *sys.path])
    from _cli import run_cli

    return run_cli


def raiser(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3)])
def test_status_of_main(run_cli, returned, status):
    assert run_cli(lambda: returned) == status


@pytest.mark.parametrize("kind", [InputError, MissingFileError])
def test_input_error_is_one_line(run_cli, kind, capsys):
    assert run_cli(raiser(kind("a.json: no images;\n  generate them"))) == 2
    assert capsys.readouterr().err == "error: a.json: no images; generate them\n"


def test_input_error_of_a_data_loader_worker_loses_its_traceback(run_cli, capsys):
    def main():
        try:
            raise InputError("cat.jpg is truncated: remove it")
        except InputError:
            wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
        wrapped.reraise()

    assert run_cli(main) == 2
    assert capsys.readouterr().err == "error: cat.jpg is truncated: remove it\n"


@pytest.mark.parametrize("error", [ValueError("bug"), FileNotFoundError("bug"), KeyError("bug")])
def test_defect_keeps_its_traceback(run_cli, error):
    with pytest.raises(type(error)):
        run_cli(raiser(error))


def test_interrupt(run_cli, capsys):
    assert run_cli(raiser(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_package_that_is_not_installed(run_cli, capsys):
    assert run_cli(raiser(ModuleNotFoundError("x", name="mnv4_vision"))) == 2
    assert "pip install -e ." in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        run_cli(raiser(ModuleNotFoundError("x", name="another")))


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_closes_the_pipe(unbuffered):
    code = "from _cli import run_cli\nraise SystemExit(run_cli(lambda: print('x\\n' * 10**6)))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=TOOLS,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_other_broken_pipe_is_a_defect(run_cli, monkeypatch):
    with open(os.devnull, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(BrokenPipeError):
            run_cli(raiser(BrokenPipeError()))


def test_letters_that_the_terminal_lacks():
    script = "from _cli import run_cli; raise SystemExit(run_cli(lambda: print('\\u00e4')))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=TOOLS,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (0, b"\\xe4\n")


def test_home_is_expanded_where_the_shell_leaves_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(TOOLS), *sys.path])
    monkeypatch.setenv("HOME", str(tmp_path))
    import train

    flags = ["config.py", "--work-dir=~/run", "--data-root=~/data", "--resume=~/a.pth"]
    args = train.build_parser().parse_args(flags)
    assert (args.work_dir, args.data_root) == (f"{tmp_path}/run", f"{tmp_path}/data")
    assert args.resume == f"{tmp_path}/a.pth"
