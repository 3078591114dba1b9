import hashlib
import shutil

import numpy as np
import pytest
from archive_files import contents, tar_file, zip_file

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.download import SOURCES, dataset, download_dataset, imagenet
from mnv4_vision.datasets.download.sources import Archive, Source

TRAIN = {f"train/{i}.jpg": f"train {i}".encode() * 9 for i in range(3)}
VAL = {f"val/{i}.jpg": f"val {i}".encode() * 9 for i in range(2)}
ANNOTATIONS = {"annotations/val.json": b"{}", "annotations/train.json": b"[]"}


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


@pytest.fixture
def pets(server, tmp_path, monkeypatch):
    """A set of three archives on the loopback server, entered as `pets`."""

    def archive(name, members, splits, holds):
        path = zip_file(tmp_path / name, members)
        data = server.files[name] = path.read_bytes()
        path.unlink()
        return Archive(name, f"{server.url}/{name}", 1e-6, 1e-6, digest(data), splits, holds)

    both = ("train", "val")
    archives = (
        archive("annotations.zip", ANNOTATIONS, both, dict.fromkeys(ANNOTATIONS, 1)),
        archive("val.zip", VAL, ("val",), {"val": 2}),
        archive("train.zip", TRAIN, ("train",), {"train": 3}),
    )
    source = Source("Pets", "free", "https://example.org", archives)
    monkeypatch.setattr(dataset, "SOURCES", {"pets": source})
    return source


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def failure(*args, **options) -> str:
    with pytest.raises(InputError) as caught:
        download_dataset(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_table_is_whole():
    for source in SOURCES.values():
        for archive in source.archives:
            algorithm, _, expected = archive.checksum.partition(":")
            assert len(expected) == 2 * hashlib.new(algorithm).digest_size
            assert archive.holds
            assert archive.url is None or archive.url.endswith("/" + archive.filename)
            assert (archive.url is None) == bool(source.steps)


def test_downloads_unpacks_and_cleans_up(pets, out, capsys):
    assert download_dataset("pets", out) == out
    assert contents(out) == TRAIN | VAL | ANNOTATIONS
    assert "free (https://example.org)" in capsys.readouterr().out


def test_second_call_does_nothing(pets, out, server, capsys):
    download_dataset("pets", out)
    server.requests.clear()
    capsys.readouterr()
    download_dataset("pets", out)
    assert server.requests == []
    assert capsys.readouterr().out == f"Pets is in {out} already\n"


def test_one_split_only(pets, out, server):
    download_dataset("pets", out, split="val")
    assert contents(out) == VAL | ANNOTATIONS
    server.requests.clear()
    download_dataset("pets", out)
    assert [name for name, *_ in server.requests] == ["train.zip"]


def test_keeps_archives_when_asked(pets, out, server):
    download_dataset("pets", out, split="val", keep_archives=True)
    assert (out / "val.zip").read_bytes() == server.files["val.zip"]


def test_archives_fetched_by_hand_need_no_network_and_stay(pets, out, server):
    out.mkdir()
    for name, data in server.files.items():
        (out / name).write_bytes(data)
    download_dataset("pets", out)
    assert server.requests == []
    assert contents(out).keys() == (TRAIN | VAL | ANNOTATIONS).keys() | server.files.keys()


def test_damaged_archive_fetched_by_hand_is_refused_and_not_touched(pets, out, server):
    out.mkdir()
    (out / "val.zip").write_bytes(b"bad")
    message = failure("pets", out, split="val")
    assert f"{out / 'val.zip'}: its SHA256 is" in message
    assert "delete it" in message
    assert (out / "val.zip").read_bytes() == b"bad"
    assert not (out / "val").exists()


def test_incomplete_folder_is_not_overwritten(pets, out, server):
    (out / "val").mkdir(parents=True)
    (out / "val" / "0.jpg").write_bytes(b"mine")
    message = failure("pets", out)
    assert f"{out / 'val'} is there, but val has 1 of 2 entries" in message
    assert server.requests == []
    assert contents(out) == {"val/0.jpg": b"mine"}


def test_malicious_archive_leaves_nothing(pets, out, server, tmp_path, monkeypatch):
    path = zip_file(tmp_path / "evil.zip", VAL | {"../../evil": b"x"})
    data = server.files["val.zip"] = path.read_bytes()
    evil = Archive("val.zip", f"{server.url}/val.zip", 0, 0, digest(data), ("val",), {"val": 2})
    source = Source("Pets", "free", "", (evil,))
    monkeypatch.setattr(dataset, "SOURCES", {"pets": source})
    assert "leads out" in failure("pets", out)
    assert contents(out).keys() == {"val.zip"}
    assert not list(tmp_path.rglob("evil"))


def test_archive_without_what_it_should_hold(pets, out, monkeypatch):
    broken = [
        Archive(a.filename, a.url, 0, 0, a.checksum, a.splits, {"val": 5})
        for a in pets.archives
        if a.filename == "val.zip"
    ]
    source = Source("Pets", "free", "", tuple(broken))
    monkeypatch.setattr(dataset, "SOURCES", {"pets": source})
    assert "val has 2 of 5 entries" in failure("pets", out)
    assert not (out / "val").exists()


def test_small_disk_is_noticed_before_the_download(pets, out, server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1_000}))
    message = failure("pets", out)
    assert "are needed" in message
    assert "--out" in message
    assert server.requests == []


def test_unknown_name(pets, out):
    assert failure("pet", out) == "no data set 'pet' (did you mean 'pets'?); known: pets"


# ImageNet: two classes, four validation images.
TRUTH = (2, 1, 1, 2)


def imagenet_archives(folder):
    savemat = pytest.importorskip("scipy.io").savemat
    folder.mkdir(exist_ok=True)
    kind = [("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("words", "O"), ("num_children", "f8")]
    rows = [(1, "n01", "cat", 0), (2, "n02", "dog", 0), (3, "n03", "animal", 2)]
    savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=kind)})
    data = "ILSVRC2012_devkit_t12/data"
    devkit = {
        f"{data}/meta.mat": (folder / "meta.mat").read_bytes(),
        f"{data}/ILSVRC2012_validation_ground_truth.txt": "\n".join(map(str, TRUTH)).encode(),
    }
    (folder / "meta.mat").unlink()
    tar_file(folder / "ILSVRC2012_devkit_t12.tar.gz", devkit, "w:gz")
    images = {f"ILSVRC2012_val_0000000{i}.JPEG": bytes([i]) for i in (3, 1, 4, 2)}
    tar_file(folder / "ILSVRC2012_img_val.tar", images)
    inner = {
        f"{name}.tar": tar_file(folder / "x", {f"{name}_7.JPEG": name.encode()}).read_bytes()
        for name in ("n01", "n02")
    }
    (folder / "x").unlink()
    tar_file(folder / "ILSVRC2012_img_train.tar", inner)


@pytest.fixture
def tiny_imagenet(out, monkeypatch):
    imagenet_archives(out)
    real = SOURCES["imagenet"]
    archives = tuple(
        Archive(
            a.filename,
            a.url,
            0,
            0,
            digest((out / a.filename).read_bytes(), "md5"),
            a.splits,
            {path: min(count, 2) for path, count in a.holds.items()},
            a.unpack,
        )
        for a in real.archives
    )
    source = Source(real.title, real.terms, real.page, archives, real.steps)
    monkeypatch.setattr(dataset, "SOURCES", {"imagenet": source})


def test_imagenet_is_sorted_into_class_folders(tiny_imagenet, out):
    download_dataset("imagenet", out)
    found = {k: v for k, v in contents(out).items() if k.startswith(("train/", "val/"))}
    assert found == {
        "train/n01/n01_7.JPEG": b"n01",
        "train/n02/n02_7.JPEG": b"n02",
        "val/n02/ILSVRC2012_val_00000001.JPEG": b"\x01",
        "val/n01/ILSVRC2012_val_00000002.JPEG": b"\x02",
        "val/n01/ILSVRC2012_val_00000003.JPEG": b"\x03",
        "val/n02/ILSVRC2012_val_00000004.JPEG": b"\x04",
    }
    assert (out / "ILSVRC2012_img_train.tar").is_file()  # the user's own


def test_imagenet_says_how_to_get_what_is_missing(tiny_imagenet, out, capsys):
    (out / "ILSVRC2012_img_val.tar").unlink()
    message = failure("imagenet", out)
    assert "get ILSVRC2012_img_val.tar at https://image-net.org" in message
    steps = capsys.readouterr().out
    assert "1. Register" in steps
    assert "ILSVRC2012_img_val.tar  0 GB, md5:" in steps
    assert contents(out).keys() == {"ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_img_train.tar"}


def test_imagenet_val_of_another_size_than_its_devkit(tiny_imagenet, out, monkeypatch):
    monkeypatch.setattr(imagenet, "_synsets_of_val", lambda devkit: ["n01"] * 3)
    assert "has 4 images, its devkit lists 3" in failure("imagenet", out, split="val")
    assert not (out / "val").exists()
