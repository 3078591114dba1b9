"""The generated model tables: the committed documents are current, and staleness is noticed."""

import sys
from pathlib import Path

import pytest

from mnv4_vision.core import model_table
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.model_table import (
    TABLES,
    Block,
    Counts,
    DetectorRow,
    SegmenterRow,
    format_detectors,
    format_segmenters,
    measure_detector,
    measure_segmenter,
    replace_block,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import model_table as tool

    return tool


def detector(name, head="SSD", params=2_000_000, macs=500_000_000, image_size=(320, 320)):
    return DetectorRow(name, head, "Net", image_size, params, macs, 400_000_000)


def segmenter(name, head="DeepLabV3", params=2_000_000, peak=30_000_000, paper=None):
    return SegmenterRow(name, head, "Net", Counts(params, 500_000_000, peak), paper)


@pytest.fixture
def checkout(tool, monkeypatch, tmp_path):
    """Return a root with one config of a task, and documents, in which counting costs nothing."""
    for folder in ("configs/det", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "configs/det/ssd_net.py").touch()
    tables = (
        Block("models", "configs/det", lambda path: detector(path.stem), format_detectors),
        Block("lengths", "configs/det", lambda path: len(path.stem), lambda rows: f"{list(rows)}"),
    )
    for name in tool.DOCUMENTS:
        (tmp_path / name).write_text(EMPTY)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(model_table, "TABLES", tables)
    return tmp_path


EMPTY = """before
<!-- models:begin, written by tools/model_table.py -->
<!-- models:end -->
between
<!-- lengths:begin, written by tools/model_table.py -->
<!-- lengths:end -->
after
"""


def run(tool, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["model_table.py", *arguments])
    return tool.main()


def test_committed_documents_are_current(tool, monkeypatch):
    assert run(tool, monkeypatch, "--check") == 0, "run python tools/model_table.py"


def test_check_writes_nothing_and_a_second_run_finds_nothing(tool, checkout, monkeypatch):
    assert run(tool, monkeypatch, "--check") == 1
    assert [(checkout / name).read_text() for name in tool.DOCUMENTS] == [EMPTY, EMPTY]
    assert run(tool, monkeypatch) == 0
    for name in tool.DOCUMENTS:
        text = (checkout / name).read_text()
        assert "| `ssd_net` | SSD | Net | 2.00 | 0.40 | 0.50 at 320 |" in text
        assert text.index("between") < text.index("[7]") < text.index("<!-- lengths:end -->")
        assert text.startswith("before\n")
        assert text.endswith("after\n")
    assert run(tool, monkeypatch, "--check") == 0


def test_detectors_of_one_model_share_a_row():
    rows = [detector("ssd_net_paper"), detector("ssd_net"), detector("lite_net", "Lite", 1_000_000)]
    rows.append(detector("ssd_wide", image_size=(640, 320)))
    assert format_detectors(rows).splitlines()[2:] == [
        "| `lite_net` | Lite | Net | 1.00 | 0.40 | 0.50 at 320 |",
        "| `ssd_net`, also `_paper` | SSD | Net | 2.00 | 0.40 | 0.50 at 320 |",
        "| `ssd_wide` | SSD | Net | 2.00 | 0.40 | 0.50 at 640x320 |",
    ]


def test_segmenters_stand_at_one_size_and_lraspp_beside_the_paper():
    paper = Counts(1_000_000, 9_000_000_000, 70_000_000)
    rows = [
        segmenter("lite_net", "LR-ASPP", 1_100_000, paper=paper),
        segmenter("deep_net_scratch", peak=31_000_000),
        segmenter("deep_net"),
    ]
    main, aspp = format_segmenters(rows).split("At 1024x2048 px with 19 classes:")
    assert main.startswith("At 512x512 px with 150 classes:\n\n| config | segmenter |")
    assert main.strip().splitlines()[4:] == [
        "| `deep_net`, also `_scratch` | DeepLabV3 | Net | 2.00 | 0.50 | 30 |",
        "| `lite_net` | LR-ASPP | Net | 1.10 | 0.50 | 30 |",
    ]
    assert aspp.strip().splitlines()[2:] == [
        "| `lite_net` | Net | 1.00 | 9.00 | 70 |",
        "| the paper's, Table 7 | MobileNetV3-Large | 1.51 | 9.74 | - |",
        "| the paper's, Table 7 | MobileNetV3-Small | 0.47 | 2.90 | - |",
    ]


@pytest.mark.parametrize("text", ["", "{0}\n", "{0}\n{1}\n{0}\n{1}\n"])
def test_a_document_without_its_markers_is_refused(text):
    block = TABLES[0]
    with pytest.raises(InputError, match="guide"):
        replace_block(text.format(block.begin, block.end), block, "table", "guide.md")


@pytest.mark.parametrize("measure", [measure_detector, measure_segmenter])
def test_a_config_without_a_title_is_refused(measure, tmp_path):
    config = tmp_path / "net.py"
    config.write_text('"""A network."""\n')
    with pytest.raises(InputError, match=r"net\.py: its docstring"):
        measure(config)
