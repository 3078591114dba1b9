import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.torch_file import is_intact, load_torch, strip_parallel


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "epoch_1.pth"
    torch.save({"state_dict": {"w": torch.arange(1000.0)}}, path)
    return path


def flip_in_tensor(content, path):
    with zipfile.ZipFile(path) as archive:
        record = next(i for i in archive.infolist() if i.filename.endswith("data/0"))
    content[record.header_offset + 2000] ^= 1


def break_directory(content, path):
    content[content.rfind(b"PK\x01\x02")] ^= 1


DAMAGES = {
    "flipped": flip_in_tensor,
    "directory": break_directory,
    "cut": lambda content, path: content.__delitem__(slice(len(content) // 2, None)),
    "empty": lambda content, path: content.clear(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_line(file, damage):
    assert is_intact(file)
    assert torch.equal(load_torch(file)["state_dict"]["w"], torch.arange(1000.0))
    content = bytearray(file.read_bytes())
    DAMAGES[damage](content, file)
    file.write_bytes(content)
    assert not is_intact(file)
    with pytest.raises(InputError, match=r"epoch_1\.pth is damaged") as caught:
        load_torch(file)
    assert "\n" not in str(caught.value)


def test_any_flipped_bit_is_harmless_or_refused(file):
    good = file.read_bytes()
    for position in range(0, len(good), 37):
        content = bytearray(good)
        content[position] ^= 0x10
        file.write_bytes(content)
        try:
            loaded = load_torch(file)
        except InputError:
            continue
        assert torch.equal(loaded["state_dict"]["w"], torch.arange(1000.0)), position


def test_what_mmengine_keeps_is_read(tmp_path):
    log = HistoryBuffer()
    log.update(0.25)
    content = {
        "log": log,
        "array": np.array([1.5, 2.5]),
        "scalar": np.float32(0.5),
        "names": np.array(["a", "bc"]),
    }
    torch.save(content, tmp_path / "hub.pth")
    loaded = load_torch(tmp_path / "hub.pth")
    assert loaded["log"].current() == 0.25
    assert loaded["array"].tolist() == [1.5, 2.5]
    assert loaded["scalar"] == 0.5
    assert loaded["names"].tolist() == ["a", "bc"]


def test_folder_is_not_called_damaged(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_torch(tmp_path)


def test_only_a_leading_module_is_stripped():
    assert strip_parallel({"module.a": 1, "b.module.c": 2}) == {"a": 1, "b.module.c": 2}
