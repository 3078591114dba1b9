"""The data set class and the step that loads its masks."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import LoadImage
from mnv4_vision.seg.dataset import MaskDataset
from mnv4_vision.seg.transforms import LoadMask

ADE20K = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ade20k_samples"
STEPS = [LoadImage(), LoadMask()]


@pytest.fixture
def root(tmp_path) -> Path:
    """Three pairs of train and one of val, 5 x 4 pixels, classes a, b and c."""
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 1)):
        for kind, shape, limit in (("images", (4, 5, 3), 255), ("masks", (4, 5), 3)):
            (tmp_path / kind / split).mkdir(parents=True)
            for i in range(count):
                content = random.integers(0, limit, shape, dtype=np.uint8)
                Image.fromarray(content).save(tmp_path / kind / split / f"{i}.png")
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    return tmp_path


def test_samples_are_photos_with_labels(root: Path):
    dataset = MaskDataset(root, split="train", pipeline=STEPS)
    assert len(dataset) == 3
    assert dataset.metainfo["classes"] == ("a", "b", "c")
    assert len(dataset.metainfo["palette"]) == 3
    for sample in dataset:
        mask = np.asarray(Image.open(sample["seg_map_path"]))
        assert Path(sample["img_path"]).stem == Path(sample["seg_map_path"]).stem
        assert np.array_equal(sample["gt_seg_map"], mask)
        assert sample["seg_fields"] == ["gt_seg_map"]


def test_splits_and_indices(root: Path):
    assert [len(MaskDataset(root, "val")), len(MaskDataset(root, "train", indices=2))] == [1, 2]


def test_reduce_zero_label_is_the_encoding_s(root: Path):
    dataset = MaskDataset(root, "train", STEPS, reduce_zero_label=True)
    assert not dataset.metainfo["reduce_zero_label"], "mmseg would reduce the labels again"
    with np.errstate(all="raise"):
        sample = dataset[0]
    mask = np.asarray(Image.open(sample["seg_map_path"]))
    assert np.array_equal(sample["gt_seg_map"], np.where(mask == 0, 255, mask.astype(int) - 1))


def test_chosen_classes_leave_the_others_ignored(root: Path):
    metainfo = dict(classes=("c", "a"), palette=[[1, 2, 3], [4, 5, 6]])
    dataset = MaskDataset(root, "train", STEPS, metainfo=metainfo)
    sample = dataset[1]
    mask = np.asarray(Image.open(sample["seg_map_path"]))
    assert np.array_equal(sample["gt_seg_map"], np.array([1, 255, 0])[mask])
    assert dataset.metainfo["palette"] == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(InputError, match="no class 'd'"):
        MaskDataset(root, "train", metainfo=dict(classes=("a", "d")))
    for classes in (("a",), ("a", "b", "a")):
        with pytest.raises(InputError, match="two classes or more, each once"):
            MaskDataset(root, "train", metainfo=dict(classes=classes))


def test_loader_workers_get_the_same_labels(root: Path):
    dataset = MaskDataset(root, split="train", pipeline=STEPS)
    dataset[0]  # the encoding keeps a table from now on
    copy = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(copy[2]["gt_seg_map"], dataset[2]["gt_seg_map"])


def test_missing_split_and_folder(root: Path):
    with pytest.raises(MissingFileError, match="no test split, only train, val"):
        MaskDataset(root, split="test")
    with pytest.raises(MissingFileError, match="does not exist"):
        MaskDataset(root / "none")


@pytest.mark.parametrize(("shape", "said"), [((4, 4), "width x height"), ((5, 4), "EXIF")])
def test_mask_of_another_size_than_the_photo(root: Path, shape, said: str):
    Image.fromarray(np.zeros(shape, np.uint8)).save(root / "masks/train/0.png")
    names = r"masks/train/0\.png.*images/train/0\.png.*5x4"
    with pytest.raises(InputError, match=f"{names}.*{said}"):
        MaskDataset(root, split="train", pipeline=STEPS)[0]


def test_damage_and_strange_values_name_the_file(root: Path):
    dataset = MaskDataset(root, split="train", pipeline=STEPS)
    Image.fromarray(np.full((4, 5), 77, np.uint8)).save(root / "masks/train/0.png")
    with pytest.raises(InputError, match=r"mask .*0\.png holds 77 \(20 pixels\)"):
        dataset[0]
    path = root / "masks/train/1.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"mask .*1\.png is truncated"):
        dataset[1]


def test_real_ade20k_samples():
    if not ADE20K.is_dir():
        pytest.skip(f"ADE20K's samples are not at {ADE20K}")
    dataset = MaskDataset(ADE20K, split="val", pipeline=STEPS, test_mode=True)
    assert (len(dataset), len(dataset.metainfo["classes"])) == (3, 150)
    assert dataset.metainfo["palette"][0] == [120, 120, 120]
    for sample in dataset:
        values = np.asarray(Image.open(sample["seg_map_path"])).astype(int)
        assert sample["gt_seg_map"].shape == sample["img"].shape[:2]
        assert np.array_equal(sample["gt_seg_map"], np.where(values == 0, 255, values - 1))
    wrong = MaskDataset(
        ADE20K, split="val", pipeline=STEPS, test_mode=True, reduce_zero_label=False
    )
    assert wrong.encoding.values == tuple(range(150))
