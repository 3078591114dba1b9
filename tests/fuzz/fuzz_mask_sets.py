"""Small healthy segmentation sets to spoil, and what a training does with one."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from fuzz_sets import HEIGHT, WIDTH, picture
from mmseg.datasets.transforms import PackSegInputs

from mnv4_vision.datasets import LoadImage
from mnv4_vision.datasets.masks import (
    IGNORED,
    find_masks,
    mask_class_table,
    splits_of,
    verify_masks,
)
from mnv4_vision.seg import (
    CoverResize,
    LoadMask,
    MaskDataset,
    RandomScaleCropFlip,
    SegmentationMetric,
)

NAMES = ("road", "tree", "car2")
COLOURS = ((128, 64, 128), (0, 128, 0), (0, 0, 142))
NUM_IMAGES = 2  # of each split
PIPELINES = {
    "train": [
        dict(type=LoadImage),
        dict(type=LoadMask),
        dict(type=RandomScaleCropFlip, scale=(64, 64)),
        dict(type=PackSegInputs),
    ],
    "val": [
        dict(type=LoadImage),
        dict(type=CoverResize, scale=(64, 64)),
        dict(type=LoadMask),
        dict(type=PackSegInputs),
    ],
}


def label_map(seed: int, num_classes: int = len(NAMES)) -> np.ndarray:
    """Blocks of every class and of none, `(H, W)` uint8."""
    blocks = np.arange(48) % (num_classes + 1)
    blocks[blocks == num_classes] = IGNORED
    np.random.default_rng(seed).shuffle(blocks)
    return np.kron(blocks.reshape(6, 8), np.ones((HEIGHT // 6, WIDTH // 8))).astype(np.uint8)


def in_colour(labels: np.ndarray) -> np.ndarray:
    """BGR, as cv2 writes it; black where there is no class."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(COLOURS)] = COLOURS
    return table[labels][..., ::-1]


def _write(
    root: Path,
    images: str,
    masks: str,
    paint: Callable[[np.ndarray], np.ndarray] = np.asarray,
    prefix: str = "",
) -> Path:
    """Write photos and masks; `{}` in the folders is the split."""
    for number, split in enumerate(("train", "val")):
        for index in range(NUM_IMAGES):
            seed = 10 * number + index
            for folder, suffix, pixels in (
                (images, ".jpg", picture(seed)),
                (masks, ".png", paint(label_map(seed))),
            ):
                path = root / folder.format(split) / f"{prefix}{split}_{index}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), pixels)
    return root


def camvid(root: Path) -> Path:
    return _write(root, "{}", "{}annot", prefix="0001TP_")


def indices(root: Path) -> Path:
    """What the values mean is said."""
    _write(root, "images/{}", "masks/{}")
    values = {name: value for value, name in enumerate(NAMES)}
    (root / "classes.json").write_text(json.dumps({"classes": values, "ignored": [IGNORED]}))
    return root


def guessed(root: Path) -> Path:
    """What the values mean is guessed from the masks."""
    _write(root, "images/{}", "masks/{}")
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n")
    return root


def colours(root: Path) -> Path:
    """As CVAT exports it."""
    _write(root, "images/{}", "masks/{}", in_colour)
    rows = (f"{n}:{','.join(map(str, c))}::\n" for n, c in zip(NAMES, COLOURS, strict=True))
    (root / "labelmap.txt").write_text(f"background:0,0,0::\n{''.join(rows)}")
    return root


def panoptic(root: Path) -> Path:
    def ids(labels: np.ndarray) -> np.ndarray:
        return np.where(labels == IGNORED, 0, 3 * labels + 1).astype(np.uint8)

    _write(root, "{}2017", "semantic_masks/{}2017", ids)
    (root / "annotations").mkdir()
    content = {
        "info": {"year": 2017},
        "images": [],
        "categories": [{"id": 3 * i + 1, "name": name} for i, name in enumerate(NAMES)],
    }
    for split in ("train", "val"):
        path = root / "annotations" / f"panoptic_{split}2017.json"
        path.write_text(json.dumps(content))
    return root


MAKERS = {make.__name__: make for make in (camvid, indices, guessed, colours, panoptic)}


def use_masks(root: Path) -> None:
    """Find, verify and load every pair; score the masks as predictions, as a perfect model's."""
    data = find_masks(root)
    assert data.describe(root)
    report = verify_masks(splits_of(data))
    assert report.describe()
    assert mask_class_table(report.summaries)
    report.raise_errors("look")
    for split, pipeline in PIPELINES.items():
        dataset = MaskDataset(root, split, pipeline, test_mode=split == "val")
        samples = [dataset[index]["data_samples"] for index in range(len(dataset))]
        labels = np.unique(np.concatenate([s.gt_sem_seg.data.ravel() for s in samples]))
        assert set(labels) <= {*range(len(data.classes)), IGNORED}
    assert perfect_score(samples, data.classes) in (1.0, None)


def perfect_score(samples: list, classes: tuple[str, ...]) -> float | None:
    metric = SegmentationMetric(boundary=False)
    metric.dataset_meta = {"classes": classes}
    for sample in samples:
        sample.pred_sem_seg = sample.gt_sem_seg.clone()
        sample.pred_sem_seg.data[sample.pred_sem_seg.data == IGNORED] = 0
        metric.process(None, [sample.to_dict()])
    score = metric.evaluate(len(samples))["seg/mIoU"]
    return None if np.isnan(score) else score
