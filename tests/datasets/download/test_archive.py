import io
import random
import stat
import tarfile
import zipfile

import pytest
from archive_files import contents, tar_file, zip_file

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.download.archive import unpack, unpack_nested_tar

GOOD = {"set/a.txt": b"alpha" * 100, "set/sub/b.txt": b"", "set/ü c.txt": b"gamma"}
ESCAPES = ("../evil", "set/../../evil", "/tmp/evil", "C:/evil", "set\\..\\evil", "..", "set/a\x01b")


def tar_with(path, **attributes):
    """One member of a kind that only a malicious archive has."""
    info = tarfile.TarInfo("set/odd")
    for key, value in attributes.items():
        setattr(info, key, value)
    with tarfile.open(path, "w") as archive:
        archive.addfile(info)
    return path


def refusal(archive, out) -> str:
    before = set(out.parent.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        unpack(archive, out)
    written = set(out.parent.parent.rglob("*")) - before
    assert all(out == path or out in path.parents for path in written), "left the folder"
    assert not any(path.is_symlink() for path in written)
    message = str(caught.value)
    assert str(archive) in message
    assert "\n" not in message
    return message


@pytest.fixture
def out(tmp_path):
    (tmp_path / "deep").mkdir()
    return tmp_path / "deep" / "out"


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tar.gz"])
def test_round_trip(tmp_path, out, kind):
    make = zip_file if kind.endswith("zip") else tar_file
    archive = make(tmp_path / kind, GOOD)
    sizes = []
    assert unpack(archive, out, sizes.append) == 3
    assert contents(out) == GOOD
    assert sum(sizes) == sum(map(len, GOOD.values()))


def test_nested_tar_makes_a_folder_of_each(tmp_path, out):
    inner = {
        name: tar_file(tmp_path / name, {f"{name}.JPEG": name.encode()}).read_bytes()
        for name in ("n01.tar", "n02.tar")
    }
    assert unpack_nested_tar(tar_file(tmp_path / "train.tar", inner), out) == 2
    assert contents(out) == {"n01/n01.tar.JPEG": b"n01.tar", "n02/n02.tar.JPEG": b"n02.tar"}


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("make", [zip_file, tar_file])
def test_names_that_lead_out_are_refused(tmp_path, out, name, make):
    suffix = {"zip_file": ".zip", "tar_file": ".tar"}[make.__name__]
    archive = make(tmp_path / f"evil{suffix}", {"set/a.txt": b"x", name: b"evil"})
    assert "leads out" in refusal(archive, out)


def test_nested_tar_that_leads_out_is_refused(tmp_path, out):
    inner = tar_file(tmp_path / "n01.tar", {"../../evil": b"x"}).read_bytes()
    archive = tar_file(tmp_path / "train.tar", {"n01.tar": inner})
    with pytest.raises(InputError, match="leads out"):
        unpack_nested_tar(archive, out)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc"},
        {"type": tarfile.LNKTYPE, "linkname": "../../secret"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"type": tarfile.FIFOTYPE},
    ],
    ids=["symlink", "hard link", "device", "fifo"],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, out, attributes):
    assert "link or a device" in refusal(tar_with(tmp_path / "odd.tar", **attributes), out)


def test_symlink_in_a_zip_is_refused(tmp_path, out):
    archive = tmp_path / "link.zip"
    info = zipfile.ZipInfo("set/link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(info, "/etc")
    assert "link or a device" in refusal(archive, out)


def test_member_that_occurs_twice_is_refused(tmp_path, out):
    archive = tmp_path / "twice.tar"
    with tarfile.open(archive, "w") as file:
        for content in (b"first", b"second"):
            info = tarfile.TarInfo("set/a")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    assert "twice" in refusal(archive, out)


def test_zip_bomb_is_refused_before_it_is_written(tmp_path, out):
    archive = zip_file(tmp_path / "bomb.zip", {"set/zeros": bytes(20_000_000)})
    assert archive.stat().st_size < 50_000
    assert "it is no data set" in refusal(archive, out)
    assert contents(out) == {}


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_damage_is_named(tmp_path, out, kind, damage):
    make = zip_file if kind.endswith("zip") else tar_file
    noise = random.Random(0).randbytes(50_000)
    mode = {"mode": "w:gz"} if kind.endswith("gz") else {}
    archive = make(tmp_path / kind, {"set/a": noise, "set/b": noise}, **mode)
    good = archive.read_bytes()
    middle = len(good) // 3
    flipped = (
        good[:middle] + bytes(b ^ 255 for b in good[middle : middle + 40]) + good[middle + 40 :]
    )
    bad = {"cut": good[: len(good) // 2], "flip": flipped, "text": b"<html>" * 99, "empty": b""}
    archive.write_bytes(bad[damage])
    if kind == "a.tar" and damage == "flip":
        pytest.skip("a plain tar has checksums of its headers only")
    assert "damaged" in refusal(archive, out)
