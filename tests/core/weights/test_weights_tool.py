import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from mnv4_vision.core.backbones import MobileNetV4Classifier, to_timm
from mnv4_vision.core.weights import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "tools" / "weights.py"
ENTRY = CATALOGUE["conv_s_050.e3000_r224_in1k"]


@pytest.fixture(scope="module")
def published():
    """Random weights in timm's layout, standing in for the published ones."""
    torch.manual_seed(3)
    return to_timm(MobileNetV4Classifier("conv_s_050").state_dict(), "conv_s_050")


@pytest.fixture
def environment(hub, published, tmp_path):
    hub.files[f"{ENTRY.hub_id}/model.safetensors"] = save(published)
    # The client reads these when it is imported, hence the processes of their own.
    return os.environ | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def tool(monkeypatch, capsys):
    """Run the tool in this process: exit status, stdout, stderr."""
    monkeypatch.setattr(sys, "path", [str(TOOL.parent), *sys.path])
    monkeypatch.delitem(sys.modules, "weights", raising=False)
    import weights
    from _cli import run_cli

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["weights.py", *map(str, args)])
        return run_cli(weights.main), *capsys.readouterr()

    return run


def test_download_through_the_environment_then_offline(environment, hub, published, tmp_path):
    def run(*args, **more):
        command = [sys.executable, TOOL, *map(str, args)]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True)

    result = run("download", ENTRY.timm_name, "--to", tmp_path / "weights")
    assert result.returncode == 0, result.stderr
    file = Path(result.stdout.strip())
    assert file.name == f"{ENTRY.timm_name}.safetensors"
    assert file.read_bytes() == hub.files[f"{ENTRY.hub_id}/model.safetensors"]
    assert os.listdir(file.parent) == [file.name]

    hub.requests.clear()
    ours = tmp_path / "ours.pth"
    result = run("convert", ENTRY.name, ours, "--to", "mnv4", HF_HUB_OFFLINE="1")
    assert result.returncode == 0, result.stderr
    assert hub.requests == []
    checkpoint = torch.load(ours)
    assert checkpoint["meta"]["arch"] == "conv_s_050"
    assert checkpoint["meta"]["mean"] == [0.5, 0.5, 0.5]
    stem = checkpoint["state_dict"]["backbone.stem.conv.weight"]
    assert torch.equal(stem, published["conv_stem.weight"])


TWO = """
import sys
import torch
import mnv4_vision
from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights import load_pretrained

torch.distributed.init_process_group("gloo")
model = MobileNetV4("conv_s_050", pretrained=sys.argv[1])
model.init_weights()
torch.save(model.state_dict(), f"{sys.argv[2]}/rank{torch.distributed.get_rank()}.pth")
try:
    load_pretrained(model, "conv_s.e1200_r224_in1k")  # the hub does not have it
except InputError as error:
    print(error)
torch.distributed.destroy_process_group()  # its threads abort a process that ends with them
"""


def test_two_processes_download_once_and_fail_together(environment, hub, published, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, ENTRY.name, tmp_path],
            env=environment | shared | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert hub.bodies() == [None]
    for rank, output in enumerate(outputs):
        state = torch.load(tmp_path / f"rank{rank}.pth")
        assert torch.equal(state["stem.conv.weight"], published["conv_stem.weight"])
        assert "has no such file (404)" in output


def test_list(tool):
    status, output, _ = tool("list", "--arch", "mobilenetv4_conv_large", "--json")
    assert status == 0
    assert [entry["name"] for entry in json.loads(output)] == [
        "conv_l.e600_r384_in1k",
        "conv_l.e500_r256_in1k",
    ]
    lines = tool("list")[1].splitlines()
    assert len(lines) == 1 + len(CATALOGUE)
    assert lines[5].split()[:5] == ["conv_m.e500_r256_in1k", "256", "320", "80.89", "1000"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["list", "--arch", "resnet50"], "no weights named 'resnet50'"),
        (["download", "conv_m.e1"], "conv_m has conv_m.e500_r256_in1k"),
        (["convert", "nowhere.pth", "x.pth", "--to", "timm"], "'nowhere.pth' does not exist"),
    ],
)
def test_mistake_is_one_line_and_status_2(tool, args, says):
    status, output, errors = tool(*args)
    assert (status, output) == (2, "")
    assert errors.startswith("error: ")
    assert says in errors
    assert errors.count("\n") == 1


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['weights.py', '--help']; sys.path.insert(0, 'tools')\n"
    code += "try:\n import weights; weights.main()\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'mnv4_vision', 'numpy'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "convert" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"
