"""Spoilt config files: resolved and checked, or refused by the name of the file."""

import random
import re
import shutil
from pathlib import Path

import pytest
from fuzz_mutators import BYTES, ENCODINGS, LINES, cases
from fuzz_oracle import survive
from fuzz_sets import make_coco

from mnv4_vision.core.engine import RunOptions, prepare_config, train

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LEAF = "det/ssdlite_mnv4_conv_s_scratch.py"
VALUES = (
    "0", "-1", "-0.5", "1e30", "'x'", "None", "[]", "{}", "(1, 2)", "True", "float('nan')",
    "dict(type='Nothing')", "10**30", "lambda x: x", "...", "b'x'", "undefined",
)  # fmt: skip
KEYWORD = re.compile(r"\b(\w+)=(?!=)")


def misspell(rng: random.Random, data: bytes) -> bytes:
    """Swap two letters of a key, leave one out, or double it."""
    text = data.decode()
    match = rng.choice(list(KEYWORD.finditer(text)))
    word = match[1]
    at = rng.randrange(len(word))
    bad = rng.choice(
        (word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word[::-1], word + "_x")
    )
    return (text[: match.start(1)] + (bad or "x") + text[match.end(1) :]).encode()


def odd_value(rng: random.Random, data: bytes) -> bytes:
    """Give a key a value of another type or range."""
    text = data.decode()
    places = list(re.finditer(r"=(-?[\d.e-]+|\"[^\"]*\"|True|False|None)(?=[,)\n])", text))
    match = rng.choice(places)
    return (text[: match.start(1)] + rng.choice(VALUES) + text[match.end(1) :]).encode()


def misspell_class(rng: random.Random, data: bytes) -> bytes:
    text = data.decode()
    match = rng.choice(list(re.finditer(r"\b[A-Z]\w+[a-z]\b", text)))
    return (text[: match.end() - 1] + text[match.end() :]).encode()


def odd_import(rng: random.Random, data: bytes) -> bytes:
    lines = (
        "from nowhere import Thing", "import mmdet.nothing", "from .missing import *",
        "with read_base():\n    from .missing import *", "with read_base():\n    x = 1",
        "raise SystemExit(3)", "1 / 0", "assert False, 'no'", "model = 3", "del model",
        "custom_imports = dict(imports=['no_such_module'])", "task = dict(type='no.such.Task')",
        "task = 3", "default_scope = 'nothing'", "image_size = 'big'", "train_dataloader = None",
    )  # fmt: skip
    return data + b"\n" + rng.choice(lines).encode() + b"\n"


EDITS = {
    "misspell": misspell,
    "value": odd_value,
    "class": misspell_class,
    "import": odd_import,
}
TEXT = BYTES | ENCODINGS | LINES
FILES = (
    LEAF,
    "_base_/runtime.py",
    "_base_/det/coco.py",
    "_base_/det/scratch_320.py",
    "_base_/det/ssd_mnv4.py",
)


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("data") / "coco")


def copy_configs(configs: Path) -> Path:
    """Copy the leaf and what it is made of."""
    shutil.copytree(CONFIGS / "_base_", configs / "_base_")
    (configs / LEAF).parent.mkdir()
    shutil.copy(CONFIGS / LEAF, configs / LEAF)
    return configs


def prepare(configs: Path, data_root: Path) -> None:
    options = RunOptions(
        config=str(configs / LEAF), data_root=str(data_root), pretrained="none", batch_size=2
    )
    prepare_config(options, ("train", "val"))


def check(tmp_path: Path, data_root: Path, case, file: str) -> None:
    configs = copy_configs(tmp_path / "configs")
    path = configs / file
    path.write_bytes(case.mutate(case.rng(), path.read_bytes()))
    survive(lambda: prepare(configs, data_root), configs, Path(LEAF).name, path.name)


EDITED = [(file, case) for file in FILES for case in cases(Path(file).stem, EDITS, 3)]
SPOILT = [(case.rng().choice(FILES), case) for case in cases("config", TEXT, 1)]


@pytest.mark.parametrize(
    ("file", "case"), EDITED + SPOILT, ids=lambda value: getattr(value, "name", "")
)
def test_config_files(tmp_path, data_root, file, case):
    check(tmp_path, data_root, case, file)


# Values of the right key that only the building of the part finds out.
ODD_OPTIONS = (
    ("optim_wrapper.optimizer.lr", -1),
    ("optim_wrapper.optimizer.lr", "abc"),
    ("optim_wrapper.optimizer.weight_decay", -1),
    ("train_dataloader.batch_size", 0),
    ("train_dataloader.batch_size", 2.5),
    ("train_dataloader.num_workers", -1),
    ("train_cfg.max_epochs", "x"),
    ("default_hooks.ema.momentum", 3),
    ("randomness.seed", "x"),
    ("model.test_cfg.nms.iou_threshold", "x"),
    ("model.test_cfg.max_per_img", 2.5),
)


@pytest.mark.parametrize(("key", "value"), ODD_OPTIONS)
def test_odd_values_that_only_building_finds(tmp_path, data_root, monkeypatch, key, value):
    monkeypatch.setattr("mnv4_vision.core.engine.runner.Runner.dump_config", lambda self: None)
    options = RunOptions(
        config=str(CONFIGS / LEAF),
        data_root=str(data_root),
        pretrained="none",
        work_dir=str(tmp_path / "work"),
        image_size=128,
        cfg_options={"train_dataloader.batch_size": 2, key: value},
    )
    assert survive(lambda: train(options), data_root, Path(LEAF).name) is not None


def test_traceback_on_request(data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("MNV4_VISION_TRACEBACK", "1")
    configs = copy_configs(tmp_path / "configs")
    with (configs / LEAF).open("a") as file:
        file.write("train_dataloader = None\n")
    with pytest.raises(AttributeError):
        prepare(configs, data_root)
