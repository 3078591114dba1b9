"""The generated model table: the committed documents are current, and staleness is noticed."""

import sys
from pathlib import Path

import pytest

from mnv4_vision.core import model_table
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.model_table import BEGIN, END, ModelRow, format_rows, replace_block

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import model_table as tool

    return tool


def row(name, head="SSD", params=2_000_000, macs=500_000_000, image_size=(320, 320)):
    return ModelRow(name, head, "Net", image_size, params, macs, 400_000_000)


@pytest.fixture
def checkout(tool, monkeypatch, tmp_path):
    """Return a root with one config and both documents, in which counting costs nothing."""
    for folder in ("configs/det", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "configs/det/ssd_net.py").touch()
    for name in tool.DOCUMENTS:
        (tmp_path / name).write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(model_table, "measure_config", lambda path: row(path.stem))
    return tmp_path


def run(tool, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["model_table.py", *arguments])
    return tool.main()


def test_committed_documents_are_current(tool, monkeypatch):
    assert run(tool, monkeypatch, "--check") == 0, "run python tools/model_table.py"


def test_check_writes_nothing_and_a_second_run_finds_nothing(tool, checkout, monkeypatch):
    stale = f"before\n{BEGIN}\n{END}\nafter\n"
    assert run(tool, monkeypatch, "--check") == 1
    assert [(checkout / name).read_text() for name in tool.DOCUMENTS] == [stale, stale]
    assert run(tool, monkeypatch) == 0
    for name in tool.DOCUMENTS:
        text = (checkout / name).read_text()
        assert "| `ssd_net` | SSD | Net | 2.00 | 0.40 | 0.50 at 320 |" in text
        assert text.startswith("before\n")
        assert text.endswith("after\n")
    assert run(tool, monkeypatch, "--check") == 0


def test_configs_of_one_model_share_a_row():
    rows = [row("ssd_net_paper"), row("ssd_net"), row("lite_net", "Lite", 1_000_000)]
    assert format_rows([*rows, row("ssd_wide", image_size=(640, 320))]).splitlines()[2:] == [
        "| `lite_net` | Lite | Net | 1.00 | 0.40 | 0.50 at 320 |",
        "| `ssd_net`, also `_paper` | SSD | Net | 2.00 | 0.40 | 0.50 at 320 |",
        "| `ssd_wide` | SSD | Net | 2.00 | 0.40 | 0.50 at 640x320 |",
    ]


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"])
def test_a_document_without_its_markers_is_refused(text):
    with pytest.raises(InputError, match="guide"):
        replace_block(text, "table", "guide.md")


def test_a_config_without_a_title_is_refused(tmp_path):
    config = tmp_path / "net.py"
    config.write_text('"""A detector."""\n')
    with pytest.raises(InputError, match=r"net\.py: its docstring"):
        model_table.measure_config(config)
