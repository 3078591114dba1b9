"""Spoilt and malicious checkpoints: loaded whole, or refused by name without running their code."""

import os
import pickle
import struct
import zipfile

import pytest
import safetensors.torch
import torch
from fuzz_mutators import BYTES, ODD_VALUES, cases
from fuzz_oracle import survive
from mmengine.logging import HistoryBuffer
from torch import nn

from mnv4_vision.core.engine.checkpoint import load_checkpoint_checked, read_checkpoint
from mnv4_vision.core.torch_file import is_intact
from mnv4_vision.core.weights.files import read_meta, read_weights


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 4))


def training_checkpoint(path) -> None:
    """As mmengine writes it: weights, optimiser, message hub."""
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters())
    hub = {"log_scalars": {"train/loss": HistoryBuffer([0.5], [1])}, "runtime_info": {"iter": 3}}
    content = {
        "meta": {"epoch": 1, "dataset_meta": {"classes": ("cat", "dog")}},
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "message_hub": hub,
    }
    torch.save(content, path)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a healthy file of each format."""
    folder = tmp_path_factory.mktemp("good")
    training_checkpoint(folder / "epoch_1.pth")
    state = small_model().state_dict()
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(state, folder / "model.safetensors", {"arch": "conv_s"})
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def load(path) -> None:
    """Everything the tools do with a checkpoint they are given."""
    model = small_model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    try:
        if path.suffix == ".safetensors":
            read_meta(path)
            weights = read_weights(path)
            assert all(isinstance(key, str) for key in weights.state_dict)
        else:
            read_weights(path)
            load_checkpoint_checked(model, path, classes=("cat", "dog"))
    except Exception:
        after = model.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before), "half loaded"
        raise


@pytest.mark.parametrize("name", ["epoch_1.pth", "legacy.pth", "model.safetensors"])
def test_healthy_files_are_accepted(good, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(good[name])
    assert survive(lambda: load(path), tmp_path) is None


@pytest.mark.parametrize("name", ["epoch_1.pth", "legacy.pth", "model.safetensors"])
@pytest.mark.parametrize("case", cases("checkpoint", BYTES, 6), ids=lambda case: case.name)
def test_spoilt_bytes(good, tmp_path, name, case):
    path = tmp_path / name
    path.write_bytes(case.mutate(case.rng(), good[name]))
    survive(lambda: load(path), tmp_path, name)
    is_intact(path)


@pytest.mark.parametrize("case", cases("pth-record", {"flip": BYTES["flip"]}, 8), ids=str)
def test_flipped_bits_inside_a_tensor_are_noticed(good, tmp_path, case):
    """Weights that differ by a bit must never be used: the archive has a checksum of each."""
    path, rng = tmp_path / "epoch_1.pth", case.rng()
    path.write_bytes(good[path.name])
    with zipfile.ZipFile(path) as archive:
        record = rng.choice([info for info in archive.infolist() if "/data/" in info.filename])
    data = bytearray(good[path.name])
    name, extra = struct.unpack_from("<HH", data, record.header_offset + 26)
    start = record.header_offset + 30 + name + extra
    data[start + rng.randrange(record.file_size)] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))
    assert not is_intact(path)
    assert survive(lambda: load(path), tmp_path, path.name) is not None


class Evil:
    """Runs a command when unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


PICKLES = {
    "code": lambda marker: Evil(marker),
    "code_in_state": lambda marker: {"state_dict": {"0.weight": Evil(marker)}},
    "module": lambda marker: small_model(),
    "set": lambda marker: {1, 2},
    "none": lambda marker: None,
    "text": lambda marker: "weights",
    "list": lambda marker: [torch.zeros(2)],
    "tensor": lambda marker: torch.zeros(2),
    "empty_dict": lambda marker: {},
    "no_tensors": lambda marker: {"state_dict": {"a": 1}},
    "numbers_as_keys": lambda marker: {"state_dict": {1: torch.zeros(2)}},
    "nested": lambda marker: {"state_dict": {"model": small_model().state_dict()}},
    "other_shape": lambda marker: {"state_dict": {"0.weight": torch.zeros(9)}},
    "sparse": lambda marker: {"state_dict": {"0.weight": torch.eye(3).to_sparse()}},
    "meta_tensor": lambda marker: {"state_dict": {"0.weight": torch.empty(3, device="meta")}},
    "complex": lambda marker: {"state_dict": {"0.weight": torch.zeros(8, 3, 3, 3) * 1j}},
    "other_key": lambda marker: {"weights": small_model().state_dict()},
} | {
    f"meta_{number}": lambda marker, value=value: {
        "meta": value,
        "state_dict": small_model().state_dict(),
    }
    for number, value in enumerate(ODD_VALUES[::3])
} | {
    f"classes_{number}": lambda marker, value=value: {
        "meta": {"dataset_meta": {"classes": value}},
        "state_dict": small_model().state_dict(),
    }
    for number, value in enumerate(ODD_VALUES[1::4])
}  # fmt: skip


@pytest.mark.parametrize("name", PICKLES)
def test_other_contents(tmp_path, name):
    marker, path = tmp_path / "ran", tmp_path / "content.pth"
    torch.save(PICKLES[name](marker), path)
    survive(lambda: load(path), tmp_path, path.name)
    survive(lambda: read_checkpoint(path), tmp_path, path.name)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_plain_pickles_with_code(tmp_path, protocol):
    marker, path = tmp_path / "ran", tmp_path / "plain.pth"
    path.write_bytes(pickle.dumps({"state_dict": Evil(marker)}, protocol))
    assert survive(lambda: load(path), tmp_path, path.name) is not None
    assert not marker.exists()


HEADERS = {
    "longer_than_file": (10**6).to_bytes(8, "little") + b"{}",
    "huge": (2**63).to_bytes(8, "little") + b"{}",
    "no_json": (4).to_bytes(8, "little") + b"abcd",
    "list": (2).to_bytes(8, "little") + b"[]",
    "nested": (4000).to_bytes(8, "little") + b"[" * 4000,
}
ENTRIES = {
    "offsets_outside": {"dtype": "F32", "shape": [4], "data_offsets": [0, 10**9]},
    "offsets_backwards": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]},
    "shape_too_large": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]},
    "negative_shape": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]},
    "unknown_type": {"dtype": "F7", "shape": [4], "data_offsets": [0, 16]},
    "no_shape": {"dtype": "F32", "data_offsets": [0, 16]},
}


@pytest.mark.parametrize("name", [*HEADERS, *ENTRIES])
def test_safetensors_headers(tmp_path, name):
    import json

    path = tmp_path / "model.safetensors"
    if name in HEADERS:
        path.write_bytes(HEADERS[name])
    else:
        header = json.dumps({"a": ENTRIES[name]}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    assert survive(lambda: load(path), tmp_path, path.name) is not None
