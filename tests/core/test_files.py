import os

import pytest

from mnv4_vision.core.files import write_atomic


def test_bytes_and_functions_are_written_into_a_new_folder(tmp_path):
    write_atomic(tmp_path / "new" / "a.bin", b"one")
    write_atomic(tmp_path / "new" / "b.bin", lambda path: path.write_bytes(b"two"))
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"one"
    assert (tmp_path / "new" / "b.bin").read_bytes() == b"two"


def test_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    def full(path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    with pytest.raises(OSError, match="No space"):
        write_atomic(file, full)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_two_writers_do_not_meet(tmp_path):
    file, seen = tmp_path / "a.bin", []

    def slow(path):
        seen.append(path)
        path.write_bytes(b"slow")
        write_atomic(file, lambda other: (seen.append(other), other.write_bytes(b"quick")))
        assert file.read_bytes() == b"quick"

    write_atomic(file, slow)
    assert len(set(seen)) == 2
    assert file.read_bytes() == b"slow"
