"""Spoilt config files: resolved and checked, or refused by the name of the file."""

import random
import re
import shutil
from pathlib import Path

import pytest
from fuzz_mask_sets import camvid
from fuzz_mutators import BYTES, ENCODINGS, LINES, cases
from fuzz_oracle import survive
from fuzz_sets import make_coco

from mnv4_vision.core.engine import RunOptions, prepare_config, train

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DET, SEG = "det/ssdlite_mnv4_conv_s_scratch.py", "seg/deeplabv3plus_mnv4_conv_s_scratch.py"
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
# leaf: what it is made of
FILES = {
    DET: (
        DET,
        "_base_/runtime.py",
        "_base_/det/coco.py",
        "_base_/det/scratch.py",
        "_base_/det/scratch_320.py",
        "_base_/det/ssd_mnv4.py",
    ),
    SEG: (
        SEG,
        "_base_/seg/ade20k.py",
        "_base_/seg/scratch.py",
        "_base_/seg/deeplabv3_mnv4.py",
        "_base_/seg/deeplabv3plus_mnv4.py",
    ),
}


@pytest.fixture(scope="module")
def data_roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {DET: make_coco(folder / "coco"), SEG: camvid(folder / "camvid")}


def copy_configs(configs: Path, leaf: str) -> Path:
    """Copy the leaf and what it is made of."""
    shutil.copytree(CONFIGS / "_base_", configs / "_base_")
    (configs / leaf).parent.mkdir()
    shutil.copy(CONFIGS / leaf, configs / leaf)
    return configs


def prepare(config: Path, data_root: Path) -> None:
    options = RunOptions(
        config=str(config), data_root=str(data_root), pretrained="none", batch_size=2
    )
    prepare_config(options, ("train", "val"))


EDITED = [
    pytest.param(leaf, file, case, id=case.name)
    for leaf, repeats in ((DET, 2), (SEG, 1))
    for file in FILES[leaf]
    for case in cases(Path(file).stem, EDITS, repeats)
]
SPOILT = [
    pytest.param(leaf, case.rng().choice(FILES[leaf]), case, id=case.name)
    for leaf, prefix in ((DET, "config"), (SEG, "seg-config"))
    for case in cases(prefix, TEXT, 1)
]


@pytest.mark.parametrize(("leaf", "file", "case"), EDITED + SPOILT)
def test_config_files(tmp_path, data_roots, leaf, file, case):
    configs = copy_configs(tmp_path / "configs", leaf)
    path = configs / file
    path.write_bytes(case.mutate(case.rng(), path.read_bytes()))
    root = data_roots[leaf]
    survive(lambda: prepare(configs / leaf, root), configs, Path(leaf).name, path.name)


# Values of the right key that only the building of the part finds out.
COMMON = (
    ("optim_wrapper.optimizer.lr", -1),
    ("optim_wrapper.optimizer.lr", "abc"),
    ("optim_wrapper.optimizer.weight_decay", -1),
    ("train_dataloader.batch_size", 0),
    ("train_dataloader.batch_size", 2.5),
    ("train_dataloader.num_workers", -1),
    ("train_cfg.max_epochs", "x"),
    ("default_hooks.ema.momentum", 3),
    ("randomness.seed", "x"),
)
ODD_OPTIONS = {
    DET: (
        *COMMON,
        ("model.test_cfg.nms.iou_threshold", "x"),
        ("model.test_cfg.max_per_img", 2.5),
    ),
    SEG: (
        ("image_size", (0, 64)),
        ("model.backbone.output_stride", 12),
        ("model.decode_head.channels", 0),
        ("model.decode_head.dilations", "x"),
        ("model.decode_head.dropout_ratio", 2),
        ("model.decode_head.in_index", (0, 7)),
        ("model.decode_head.num_classes", 2),
        ("model.test_cfg.mode", "slid"),
        ("model.test_cfg.mode", "slide"),
        ("model.test_cfg", dict(mode="slide", crop_size=(64, 64), stride=(96, 48))),
        ("class_balance", 3),
        ("ohem", "yes"),
        ("train_dataloader.dataset.split", "trian"),
        ("train_dataloader.dataset.pipeline.2.ratio_range", (2, 1)),
        ("train_dataloader.dataset.pipeline.2.crop_size", (0, 0)),
        ("train_dataloader.dataset.pipeline.2.cat_max_ratio", 75),
    ),
}
ODD_CASES = [(leaf, *option) for leaf, options in ODD_OPTIONS.items() for option in options]


@pytest.mark.parametrize(("leaf", "key", "value"), ODD_CASES)
def test_odd_values_that_only_building_finds(tmp_path, data_roots, monkeypatch, leaf, key, value):
    monkeypatch.setattr("mnv4_vision.core.engine.runner.Runner.dump_config", lambda self: None)
    options = RunOptions(
        config=str(CONFIGS / leaf),
        data_root=str(data_roots[leaf]),
        pretrained="none",
        work_dir=str(tmp_path / "work"),
        image_size=128,
        cfg_options={"train_dataloader.batch_size": 2, key: value},
    )
    root, section = data_roots[leaf], ".".join(key.split(".")[:2])
    names = (Path(leaf).name, section, str(value))
    assert survive(lambda: train(options), root, *names) is not None


def test_traceback_on_request(data_roots, tmp_path, monkeypatch):
    monkeypatch.setenv("MNV4_VISION_TRACEBACK", "1")
    config = copy_configs(tmp_path / "configs", DET) / DET
    with config.open("a") as file:
        file.write("train_dataloader = None\n")
    with pytest.raises(AttributeError):
        prepare(config, data_roots[DET])
