"""A page to look at a segmentation set: photos with labels, before and after augmentation."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.runner import set_random_seed
from mmseg.registry import DATASETS

from mnv4_vision.core.drawing import fit_into
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import datasets_of, step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.gallery import NUM_DRAWS, SIDE_PX, add_picture, show_some
from mnv4_vision.core.html import Page
from mnv4_vision.datasets import read_image
from mnv4_vision.datasets.masks import (
    MaskData,
    MaskPair,
    draw_mask_statistics,
    find_masks,
    mask_class_table,
    read_mask,
    splits_of,
    verify_masks,
)
from mnv4_vision.seg.drawing import add_legend, draw_labels, present_classes

__all__ = ["browse"]

ROW_PX = 1020  # width of a row of pictures: photo, labels, and the augmented ones


def browse(
    root: Path,
    out: Path,
    *,
    config: str | None = None,
    split: str = "train",
    num: int = 24,
    seed: int = 0,
) -> Path:
    """Write `out/index.html` with photos, their labels and the distributions of a data set.

    Args:
        root: Data set; what cannot be drawn is named and left out.
        out: Folder of the page.
        config: Also show each photo as the training pipeline of this config gives it.
        split: "train" or "val".
        num: How many photos, drawn at random.
        seed: Of the choice and of the augmentation.

    Returns:
        The page.

    Raises:
        InputError: There is no data set, or nothing in it can be drawn.
    """
    if num < 1:
        raise InputError(f"--num {num}: at least one image")
    data = find_masks(root, need=(split,))
    report = verify_masks({split: splits_of(data)[split]})
    summary = report.summaries[split]
    page = Page(f"{root}, {split}")
    page.text(f"{data.name}. {summary.describe()}")
    if report.findings.errors:
        page.text("There are errors: `python tools/data.py verify` names them.")
    gallery = _Gallery(page, data, split, _Augmented(config, data, split, seed) if config else None)
    page.heading("Images, before and after augmentation" if config else "Images")
    show_some(page, len(data.splits[split]), num, seed, gallery.show)
    page.heading("Classes")
    page.table(*mask_class_table({split: summary}))
    page.heading("Distributions")
    page.image(draw_mask_statistics({split: summary}), width=1000)
    page.write(out / "index.html")
    return out / "index.html"


class _Augmented:
    """The photos as a config's training data set gives them."""

    def __init__(self, config: str, data: MaskData, split: str, seed: int) -> None:
        cfg, _ = prepare_config(RunOptions(config=config, pretrained="none"), splits=())
        (inner,) = datasets_of(cfg, ("train",))
        if step_name(inner) != "MaskDataset":
            raise InputError(
                f"--config {config} trains on {step_name(inner)}, not on masks: give a config of "
                "configs/seg, or --task det"
            )
        inner.update(data_root=str(data.root), split=split)
        for key in ("reduce_zero_label", "metainfo", "indices"):  # of the config's own data
            inner.pop(key, None)
        self.dataset: Any = DATASETS.build(inner)
        set_random_seed(seed)

    def draw(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels `(H, W, 3)` BGR and labels `(H, W)`."""
        sample = self.dataset[position]
        pixels = sample["inputs"].permute(1, 2, 0).numpy()
        labels = sample["data_samples"].gt_sem_seg.data[0].numpy()
        return np.clip(pixels, 0, 255).astype(np.uint8), labels.astype(np.uint8)


class _Gallery:
    """Adds the pictures to the page."""

    def __init__(
        self, page: Page, data: MaskData, split: str, augmented: _Augmented | None
    ) -> None:
        self.page, self.data, self.augmented = page, data, augmented
        self.pairs = data.splits[split]
        self.num_draws = NUM_DRAWS if augmented else 0
        self.width_px = ROW_PX // (2 + self.num_draws)

    def show(self, position: int) -> None:
        """Show a photo, its labels, and what training makes of them.

        Raises:
            InputError: Photo or mask cannot be read, or they do not fit.
        """
        pair = self.pairs[position]
        pixels, labels = self._read(pair)
        draws = [self.augmented.draw(position) for _ in range(self.num_draws)]
        caption = f"{pair.image.name}, {pixels.shape[1]}x{pixels.shape[0]}"
        add_picture(self.page, fit_into(pixels, (SIDE_PX, SIDE_PX)), caption, self.width_px)
        ignored = 100 * float((labels >= len(self.data.classes)).mean())
        self._add(pixels, labels, f"{pair.mask.name}, {ignored:.1f} % without class")
        for number, (image, drawn) in enumerate(draws, 1):
            self._add(image, drawn, f"augmented {number}, {image.shape[1]}x{image.shape[0]}")

    def _read(self, pair: MaskPair) -> tuple[np.ndarray, np.ndarray]:
        pixels = read_image(str(pair.image))
        mask = read_mask(pair.mask, in_colour=self.data.encoding.in_colour)
        if mask.shape[:2] != pixels.shape[:2]:
            raise InputError(f"mask {pair.mask} has another size than its photo")
        try:
            return pixels, self.data.encoding.labels(mask)
        except InputError as error:
            raise InputError(f"mask {pair.mask} {error}") from None

    def _add(self, pixels: np.ndarray, labels: np.ndarray, caption: str) -> None:
        palette, names = self.data.palette, self.data.classes
        drawn = fit_into(draw_labels(pixels, labels, palette), (SIDE_PX, SIDE_PX))
        shown = present_classes(labels, num_classes=len(names))
        add_picture(self.page, add_legend(drawn, shown, palette, names), caption, self.width_px)
