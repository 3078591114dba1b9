"""A page to look at a classification set: images by class, before and after augmentation."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DATASETS
from mmengine.runner import set_random_seed

from mnv4_vision.core.drawing import fit_into
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import datasets_of, step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.gallery import NUM_DRAWS, SIDE_PX, add_picture, show_some
from mnv4_vision.core.html import Page
from mnv4_vision.datasets import read_image
from mnv4_vision.datasets.image_folders import (
    LabelledImages,
    draw_image_statistics,
    find_images,
    image_class_table,
    image_splits_of,
    verify_images,
)

__all__ = ["browse"]

_WIDTH_PX = 250  # of a picture, four in a row


def browse(
    root: Path,
    out: Path,
    *,
    config: str | None = None,
    split: str = "train",
    num: int = 24,
    seed: int = 0,
) -> Path:
    """Write `out/index.html` with images of the classes and the distributions of a data set.

    Args:
        root: Data set; what cannot be drawn is named and left out.
        out: Folder of the page.
        config: Also show each image as the training pipeline of this config gives it.
        split: "train" or "val".
        num: How many images, drawn at random and as equally from all classes as can be.
        seed: Of the choice and of the augmentation.

    Returns:
        The page.

    Raises:
        InputError: There is no data set, or nothing in it can be drawn.
    """
    if num < 1:
        raise InputError(f"--num {num}: at least one image")
    data = find_images(root, only=(split,))
    report = verify_images({split: image_splits_of(data)[split]})
    page = Page(f"{root}, {split}")
    page.text(f"{data.name}. {report.summaries[split].describe()}")
    if report.findings.errors:
        page.text("There are errors: `python tools/data.py verify` names them.")
    augmented = _Augmented(config, data, split, seed) if config else None
    _show_classes(page, data, split, num, seed, augmented)
    page.heading("Classes")
    page.table(*image_class_table(report.summaries))
    page.heading("Distributions")
    page.image(draw_image_statistics(report.summaries), width=1000)
    page.write(out / "index.html")
    return out / "index.html"


class _Augmented:
    """The images as a config's training data set gives them."""

    def __init__(self, config: str, data: LabelledImages, split: str, seed: int) -> None:
        cfg, _ = prepare_config(RunOptions(config=config, pretrained="none"), splits=())
        (inner,) = datasets_of(cfg, ("train",))
        if step_name(inner) != "ImageDataset":
            raise InputError(
                f"--config {config} trains on {step_name(inner)}, not on classes: give a config "
                "of configs/cls, or another --task"
            )
        inner.update(data_root=str(data.root), split=split)
        for key in ("metainfo", "indices"):  # of the config's own data
            inner.pop(key, None)
        self.dataset: Any = DATASETS.build(inner)
        set_random_seed(seed)

    def draw(self, position: int) -> np.ndarray:
        """Return pixels `(H, W, 3)`, uint8 BGR."""
        pixels = self.dataset[position]["inputs"].permute(1, 2, 0).numpy()
        return np.clip(pixels, 0, 255).astype(np.uint8)


def _show_classes(
    page: Page,
    data: LabelledImages,
    split: str,
    num: int,
    seed: int,
    augmented: _Augmented | None,
) -> None:
    """Add a heading and images for each class, for a random part of many classes.

    Raises:
        InputError: No image can be shown.
    """
    images = data.splits[split]
    positions = defaultdict(list)
    for position, image in enumerate(images):
        positions[image.label].append(position)

    def show(position: int) -> None:
        pixels = read_image(images[position].path)
        draws = [augmented.draw(position) for _ in range(NUM_DRAWS if augmented else 0)]
        name = Path(images[position].path).name
        _add(page, pixels, f"{name}, {pixels.shape[1]}x{pixels.shape[0]}")
        for number, drawn in enumerate(draws, 1):
            _add(page, drawn, f"augmented {number}, {drawn.shape[1]}x{drawn.shape[0]}")

    shares = _shares({label: len(found) for label, found in positions.items()}, num, seed)
    failures = []
    for label, share in sorted(shares.items()):
        of_class = positions[label]
        page.heading(f"{data.classes[label]}, {len(of_class)} images")
        try:
            show_some(page, len(of_class), share, seed, lambda i, of=of_class: show(of[i]))
        except InputError as error:
            failures.append(error)
            page.text(f"Left out: {error}")
    if len(failures) == len(shares):
        raise failures[0]


def _shares(counts: dict[int, int], num: int, seed: int) -> dict[int, int]:
    """Divide `num` images among the classes, one each in a random order until all are gone."""
    order = np.random.default_rng(seed).permutation(sorted(counts)).tolist()
    shares: dict[int, int] = defaultdict(int)
    left = min(num, sum(counts.values()))
    while left:
        for label in order:
            if left and shares[label] < counts[label]:
                shares[label] += 1
                left -= 1
    return {label: share for label, share in shares.items() if share}


def _add(page: Page, pixels: np.ndarray, caption: str) -> None:
    add_picture(page, fit_into(pixels, (SIDE_PX, SIDE_PX)), caption, _WIDTH_PX)
