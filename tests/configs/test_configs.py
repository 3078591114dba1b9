"""Every config file: it loads, nothing in it goes unread, its docstring tells the truth."""

import ast
import re
from pathlib import Path

import pytest

from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.measure import count_macs, count_params
from mnv4_vision.core.model_table.rows import build_on_meta

ROOT = Path(__file__).resolve().parents[2]
LEAVES = sorted(p for p in (ROOT / "configs").rglob("*.py") if "_base_" not in p.parts)


@pytest.fixture(params=LEAVES, ids=lambda path: path.stem)
def leaf(request):
    return request.param


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def test_leaf_is_small_and_documented(leaf):
    assert len(leaf.read_text().splitlines()) <= 35
    text = docstring(leaf)
    assert f"configs/{leaf.parent.name}/{leaf.name}" in text, "the command is missing"
    assert "Expected:" in text


def test_leaf_is_tested_as_it_is_validated(leaf):
    """A base that changes one of the two, which mmengine copies, must change the other."""
    cfg, _ = prepare_config(RunOptions(config=str(leaf), pretrained="none"), splits=())
    assert cfg.test_dataloader == cfg.val_dataloader
    assert cfg.test_evaluator == cfg.val_evaluator


def test_leaf_resolves_and_its_sizes_are_those_of_its_docstring(leaf):
    cfg, _ = prepare_config(RunOptions(config=str(leaf)), splits=())
    cfg.model.backbone.pretrained = None
    model = build_on_meta(cfg)
    params, macs = re.search(r"([\d.]+) M parameters, ([\d.]+) GMACs", docstring(leaf)).groups()
    assert count_params(model) / 1e6 == pytest.approx(float(params), abs=0.006)
    assert count_macs(model, cfg.image_size) / 1e9 == pytest.approx(float(macs), abs=0.006)


def test_base_files_say_what_they_give():
    for path in (ROOT / "configs" / "_base_").rglob("*.py"):
        assert docstring(path), path
