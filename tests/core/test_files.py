import os

import pytest

from mnv4_vision.core.errors import InputError, WriteError
from mnv4_vision.core.files import cache_folder, check_writable, new_folder, write_atomic


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
    with pytest.raises(WriteError, match=r"cannot write .*a\.bin: No space"):
        write_atomic(file, full)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=f"cannot write .*{name}: "):
        check_writable(tmp_path / name)
    check_writable(tmp_path / "new" / "deep")
    assert os.listdir(tmp_path / "new" / "deep") == []


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


def test_folder_appears_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with new_folder(out) as folder:
        (folder / "a.txt").write_text("a")
        assert not out.exists()
    assert (out / "a.txt").read_text() == "a"
    assert os.listdir(out.parent) == ["out"]


def test_failed_folder_vanishes(tmp_path):
    def fill_and_fail():
        with new_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("a")
            raise OSError("No space left on device")

    with pytest.raises(InputError, match=r"cannot write .*out: No space"):
        fill_and_fail()
    assert os.listdir(tmp_path) == []


def test_folder_with_content_is_refused(tmp_path):
    with new_folder(tmp_path):  # empty: used
        pass
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"), new_folder(tmp_path):
        pytest.fail("must not start")
    with pytest.raises(InputError, match="is a file"), new_folder(tmp_path / "a.txt"):
        pytest.fail("must not start")
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [("/a/b", "/x", "/a/b"), ("", "/x", "/x/mnv4_vision"), ("", "", "{home}/.cache/mnv4_vision")],
)
def test_cache_folder(monkeypatch, tmp_path, own, xdg, expected):
    for name, value in (("MNV4_VISION_CACHE", own), ("XDG_CACHE_HOME", xdg), ("HOME", tmp_path)):
        monkeypatch.setenv(name, str(value))
    assert str(cache_folder()) == expected.format(home=tmp_path)
