"""Packed sets are read as the folders they came from, and damage is named in one line."""

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from class_sets import class_set
from dataset_helpers import shared_data
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.runner import set_random_seed
from PIL import Image
from torch.utils.data import DataLoader

from mnv4_vision.cls import ImageDataset, InceptionCrop, PackImage
from mnv4_vision.core.engine import seed_worker
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import (
    LoadImage,
    find_images,
    image_splits_of,
    pack_images,
    read_image,
    verify_images,
)
from mnv4_vision.datasets.stores import lmdb_file, read_record, record_name

FORMATS = ("webdataset", "lmdb")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return class_set(tmp_path_factory.mktemp("folders") / "data", size=(40, 30))


@pytest.fixture(params=FORMATS)
def store(request, folders, tmp_path):
    """A store that may be damaged."""
    if request.param == "lmdb":
        pytest.importorskip("lmdb")
    pack_images(folders, tmp_path / "store", request.param)
    return tmp_path / "store"


def same_images(store: Path, folders: Path) -> None:
    packed, plain = find_images(store), find_images(folders)
    assert packed.classes == plain.classes
    assert list(packed.splits) == list(plain.splits)
    for split, images in plain.splits.items():
        records = packed.splits[split]
        assert [r.label for r in records] == [i.label for i in images]
        assert [folders / record_name(r.path) for r in records] == [Path(i.path) for i in images]
        for record, image in zip(records, images, strict=True):
            assert read_record(record.path) == Path(image.path).read_bytes()
            assert Path(record.path).name == Path(image.path).name


def test_bytes_order_and_labels_stay(store, folders):
    same_images(store, folders)


def test_a_store_can_be_packed_anew(store, folders, tmp_path):
    pack_images(store, tmp_path / "again", "webdataset")
    same_images(tmp_path / "again", folders)


@pytest.mark.parametrize("kind", FORMATS)
def test_training_batches_are_equal(kind, tmp_path):
    if kind == "lmdb":
        pytest.importorskip("lmdb")
    root, part = shared_data("clothing"), tmp_path / "part"
    for path in [p for folder in root.glob("*/*") for p in sorted(folder.iterdir())[:3]]:
        copy = part / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    pack_images(part, tmp_path / "store", kind, shard_mb=0.2)
    assert len(list((tmp_path / "store").glob("train-*.tar"))) == (4 if kind != "lmdb" else 0)
    batches = [training_batches(folder) for folder in (part, tmp_path / "store")]
    assert [b["labels"] for b in batches[0]] == [b["labels"] for b in batches[1]]
    assert len({label for b in batches[0] for label in b["labels"]}) > 5
    for one, other in zip(*(batch for batch in batches), strict=True):
        assert torch.equal(one["inputs"], other["inputs"])


def training_batches(root: Path) -> list[dict]:
    """Return an epoch that two workers augment; the handles were used before they were forked."""
    set_random_seed(3)
    pipeline = [LoadImage(), InceptionCrop(scale=(64, 64)), PackImage()]
    dataset = ImageDataset(root, pipeline=pipeline)
    read_image(dataset.get_data_info(0)["img_path"])
    loader = DataLoader(
        dataset,
        batch_size=8,
        sampler=DefaultSampler(dataset, seed=1),
        num_workers=2,
        collate_fn=pseudo_collate,
        worker_init_fn=seed_worker,
    )
    return [
        dict(
            inputs=torch.stack(batch["inputs"]),
            labels=[int(sample.gt_label) for sample in batch["data_samples"]],
        )
        for batch in loader
    ]


def test_shards_are_those_of_webdataset(folders, tmp_path):
    pack_images(folders, tmp_path / "store", "webdataset")
    with tarfile.open(tmp_path / "store/train-000000.tar") as tar:
        names = tar.getnames()
        assert names[:4] == ["00000000.jpg", "00000000.cls", "00000001.jpg", "00000001.cls"]
        labels = [int(tar.extractfile(name).read()) for name in names[1::2]]
        photo = tar.extractfile(names[-2]).read()
    assert labels == [0] * 4 + [1] * 3 + [2] * 2
    assert photo == (folders / "train/cat/1.jpg").read_bytes()
    assert Image.open(io.BytesIO(photo)).size == (40, 30)


def test_packed_images_are_verified(store, folders):
    report = verify_images(image_splits_of(find_images(store)))
    plain = verify_images(image_splits_of(find_images(folders)))
    for split, summary in report.summaries.items():
        assert summary.image_sizes == plain.summaries[split].image_sizes
        assert summary.class_counts == plain.summaries[split].class_counts
    kinds = [finding.kind for finding in report.findings.errors + report.findings.warnings]
    assert kinds == ["small_image", "small_image"]


def test_max_side_makes_only_large_images_smaller(folders, tmp_path):
    pytest.importorskip("lmdb")
    pack_images(folders, tmp_path / "store", "lmdb", max_side_px=20)
    image = find_images(tmp_path / "store").splits["val"][0]
    small = read_image(image.path)
    assert small.shape == (15, 20, 3)
    large = read_image(str(folders / "val/ant/0.jpg")).astype(float)
    mean = large.reshape(15, 2, 20, 2, 3).mean((1, 3)).round().astype(np.uint8)
    jpeg = cv2.imencode(".jpg", mean, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    assert np.abs(small - cv2.imdecode(jpeg, 1).astype(float)).mean() < 2
    pack_images(folders, tmp_path / "same", "lmdb", max_side_px=40)
    same_images(tmp_path / "same", folders)


def test_a_bad_image_leaves_nothing(tmp_path):
    root = class_set(tmp_path / "data", size=(40, 30))
    bad = root / "val/cat/1.jpg"
    bad.write_bytes(bad.read_bytes()[:100])
    for kind in FORMATS:
        with pytest.raises(InputError, match=rf"{bad} is truncated"):
            pack_images(root, tmp_path / "store", kind)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_damage_is_named(store):
    packed = sorted(store.glob("*.tar")) or [store / "images.lmdb"]
    whole = packed[0].read_bytes()
    packed[0].write_bytes(whole[:-512])
    with pytest.raises(InputError, match=rf"{packed[0]} has {len(whole) - 512} bytes.*pack the"):
        find_images(store)
    packed[0].unlink()
    with pytest.raises(InputError, match=rf"{packed[0]}, a file of the store, is missing"):
        find_images(store)
    packed[0].write_bytes(bytes(len(whole)))  # of the right size, with nothing in it
    data = find_images(store)
    with pytest.raises(InputError, match=rf"{packed[0]} is .*pack the set again"):
        read_image(data.splits["train"][0].path)
    assert verify_images(image_splits_of(data)).findings.errors[0].kind == "unreadable"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("store.json", {"version": 9}, r"has version 9, this release reads 1"),
        ("store.json", {"format": "zip"}, r"store\.json is damaged"),
        ("train.json", {"labels": [7] * 9}, r"store\.json is damaged"),
        ("train.json", {"labels": [0]}, r"store\.json is damaged"),
    ],
)
def test_a_damaged_index(folders, tmp_path, file, change, message):
    store = tmp_path / "store"
    pack_images(folders, store, "webdataset")
    (store / file).write_text(json.dumps(json.loads((store / file).read_text()) | change))
    index = json.loads((store / "store.json").read_text())
    index["files"][file] = (store / file).stat().st_size
    if file != "store.json":
        (store / "store.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=message):
        find_images(store)
    (store / "store.json").write_text("{")
    with pytest.raises(InputError, match=r"store\.json cannot be read"):
        find_images(store)


def test_what_is_missing_or_wrong_is_said(folders, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--shard-size 0"):
        pack_images(folders, tmp_path / "store", "webdataset", shard_mb=0)
    with pytest.raises(InputError, match="'zip', allowed are lmdb, webdataset"):
        pack_images(folders, tmp_path / "store", "zip")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(InputError, match=r"pip install 'mnv4_vision\[lmdb\]'"):
        pack_images(folders, tmp_path / "store", "lmdb")
    assert not (tmp_path / "store").exists()


def test_the_tool_packs_and_looks_at_classes(folders, tmp_path, run_here):
    options = ("--to", "webdataset", "--out", tmp_path / "store", "--max-side", 20)
    out, _ = run_here("data", "pack", folders, *options)
    assert "images packed as WebDataset shards, 3 classes; train 9, val 6" in out
    out, _ = run_here("data", "verify", tmp_path / "store")
    assert "images  9, all 20x15" in out
    _, err = run_here("data", "pack", folders, *options, status=2)
    assert "is not empty; give a new folder" in err


def test_the_map_grows(tmp_path, monkeypatch):
    pytest.importorskip("lmdb")
    monkeypatch.setattr(lmdb_file, "_FIRST_SIZE", 1 << 14)
    root = class_set(tmp_path / "data", size=(60, 50))
    pack_images(root, tmp_path / "store", "lmdb")
    same_images(tmp_path / "store", root)


def test_what_lmdb_refuses_is_one_line(tmp_path):
    pytest.importorskip("lmdb")
    with pytest.raises(InputError, match=r"cannot write images\.lmdb: .*No such file"):
        lmdb_file.LmdbWriter(tmp_path / "nowhere")
    writer = lmdb_file.LmdbWriter(tmp_path)
    writer._file.close()  # as good as a full disk: the next call fails
    with pytest.raises(InputError, match=r"cannot write images\.lmdb"):
        writer.close()


def test_a_test_split_that_is_left_out_is_said(folders, tmp_path):
    shutil.copytree(folders, tmp_path / "data")
    shutil.copytree(folders / "val/ant", tmp_path / "data/test/unknown")
    packed = pack_images(tmp_path / "data", tmp_path / "store", "webdataset")
    assert list(packed.splits) == ["train", "val"]
    assert "test/unknown is a class that the training images lack" in packed.describe("x")
