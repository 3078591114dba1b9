import errno
import hashlib
import socket
from pathlib import Path

import pytest

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.download.transfer import fetch

DATA = bytes(i * i % 251 for i in range(300_000))
OTHER = DATA[::-1]


def checksum(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


@pytest.fixture
def get(server, tmp_path):
    server.files["val.zip"] = DATA
    path = tmp_path / "data" / "val.zip"

    def get(expected=DATA, url=None):
        fetch(url or f"{server.url}/val.zip", path, checksum(expected))
        return path

    return get


def failure(get, **options) -> str:
    with pytest.raises(InputError) as caught:
        get(**options)
    message = str(caught.value)
    assert "\n" not in message
    assert "val.zip" in message
    return message


def names(tmp_path):
    return {path.name for path in tmp_path.rglob("*") if path.is_file()}


def test_arrives_whole_and_leaves_nothing_else(server, get, tmp_path):
    assert get().read_bytes() == DATA
    assert names(tmp_path) == {"val.zip"}
    assert server.ranges() == [None]


@pytest.mark.parametrize("has_etags", [True, False])
def test_cut_connection_resumes_where_it_broke(server, get, has_etags):
    server.cuts, server.has_etags = 3, has_etags
    assert get().read_bytes() == DATA
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in server.ranges()[1:]]
    assert starts == [150_000, 225_000, 262_500]
    conditions = {condition for _, _, condition in server.requests[1:]}
    assert conditions == ({f'"{hash(DATA)}"'} if has_etags else {None})


def test_next_run_resumes_what_a_killed_one_left(server, get, tmp_path):
    server.cuts, server.statuses = 1, []
    part = tmp_path / "data" / "val.zip.part"
    part.parent.mkdir()
    part.write_bytes(DATA[:100])
    assert get().read_bytes() == DATA
    assert server.ranges()[0] == "bytes=100-"
    assert names(tmp_path) == {"val.zip"}


def test_killed_between_the_last_byte_and_the_check(server, get, tmp_path):
    part = tmp_path / "data" / "val.zip.part"
    part.parent.mkdir()
    part.write_bytes(DATA)
    assert get().read_bytes() == DATA
    assert server.ranges() == [f"bytes={len(DATA)}-"]


def test_left_over_longer_than_the_file_starts_anew(server, get, tmp_path):
    part = tmp_path / "data" / "val.zip.part"
    part.parent.mkdir()
    part.write_bytes(DATA + b"more")
    assert get().read_bytes() == DATA
    assert server.ranges()[-1] is None


def test_other_file_on_the_server_meanwhile_starts_anew(server, get):
    server.cuts, server.changed = 1, {"val.zip": OTHER}
    assert get(OTHER).read_bytes() == OTHER
    assert server.ranges() == [None, "bytes=150000-"]


def test_server_without_ranges_starts_anew(server, get):
    server.cuts, server.has_ranges = 2, False
    assert get().read_bytes() == DATA
    assert len(server.requests) == 3


def test_wrong_checksum_keeps_nothing(server, get, tmp_path):
    message = failure(get, expected=OTHER)
    assert checksum(OTHER).partition(":")[2] in message
    assert checksum(DATA).partition(":")[2] in message
    assert f"{server.url}/val.zip" in message
    assert not {"val.zip", "val.zip.part"} & names(tmp_path)

    server.files["val.zip"] = OTHER  # mended: the next run gets it
    assert get(OTHER).read_bytes() == OTHER


def test_busy_server_is_asked_again(server, get):
    server.statuses = [503, 429, 500]
    assert get().read_bytes() == DATA
    assert len(server.requests) == 4


def test_server_that_stays_down(server, get, tmp_path):
    server.statuses = [503] * 50
    message = failure(get)
    assert "503" in message
    assert f"by hand to {tmp_path / 'data' / 'val.zip'}" in message
    assert len(server.requests) < 10


def test_no_such_file_is_not_asked_for_again(server, get):
    del server.files["val.zip"]
    assert "404" in failure(get)
    assert len(server.requests) == 1


def test_server_that_dies_in_the_middle_keeps_what_came(server, get, tmp_path):
    server.cuts, server.files["val.zip"] = 10**6, DATA[:64]
    assert "cut" in failure(get, expected=DATA[:64])
    assert DATA.startswith((tmp_path / "data" / "val.zip.part").read_bytes())


def test_no_network_fails_at_once_with_the_way_out(get, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/val.zip"
    message = failure(get, url=closed)
    assert "no connection" in message
    assert f"download {closed} by hand to {tmp_path / 'data' / 'val.zip'}" in message


def test_full_disk_says_so_and_can_go_on(get, tmp_path, monkeypatch):
    real = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda path, mode="r": Full(real(path, mode)))
    assert "No space left" in failure(get)
    monkeypatch.undo()
    assert get().read_bytes() == DATA
