"""A page to look at a detection set: images with boxes, before and after augmentation."""

import contextlib
import io
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import DATASETS
from mmengine.dataset import BaseDataset
from mmengine.runner import set_random_seed

from mnv4_vision.core.drawing import fit_into
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.engine.task import datasets_of, step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.gallery import NUM_DRAWS, SIDE_PX, add_picture, show_some
from mnv4_vision.core.html import Page
from mnv4_vision.datasets import (
    class_table,
    draw_statistics,
    find_data,
    measure,
    paths_of,
    read_image,
    read_usable,
    summarise,
)
from mnv4_vision.det.drawing import draw_detections

__all__ = ["browse"]

WIDTH_PX = 340  # shown: three in a row


def browse(
    root: Path,
    out: Path,
    *,
    config: str | None = None,
    split: str = "train",
    num: int = 24,
    seed: int = 0,
) -> Path:
    """Write `out/index.html` with images, their boxes and the distributions of a data set.

    Args:
        root: Data set; what cannot be drawn is counted and left out.
        out: Folder of the page.
        config: Also show each image as the training pipeline of this config gives it.
        split: "train" or "val".
        num: How many images, drawn at random.
        seed: Of the choice and of the augmentation.

    Returns:
        The page.

    Raises:
        InputError: There is no data set, or nothing in it can be drawn.
    """
    if num < 1:
        raise InputError(f"--num {num}: at least one image")
    layout = find_data(root, need=(split,))
    paths = paths_of(layout)[split]
    content, lost = read_usable(paths.ann_file)
    summary = summarise(paths.ann_file, content)
    page = Page(f"{root}, {split}")
    page.text(f"{layout.name}. {summary.describe()}")
    if any(lost.values()):
        parts = ", ".join(f"{count} {section}" for section, count in lost.items() if count)
        page.text(f"Unusable and left out: {parts}. `python tools/data.py verify` says why.")
    gallery = _Gallery(page, paths.image_dir, content, summary.classes)
    if config is not None:
        gallery.augmented = _Augmented(config, paths.image_dir, content, summary.classes, seed)
    page.heading("Images, before and after augmentation" if config else "Images")
    show_some(page, len(content["images"]), num, seed, gallery.show)
    page.heading("Classes")
    page.table(*class_table({split: summary}))
    page.heading("Distributions")
    page.image(draw_statistics({split: summary}, {split: measure(content)}), width=1000)
    page.write(out / "index.html")
    return out / "index.html"


class _Augmented:
    """The images as a config's training data set gives them, mosaics and all."""

    def __init__(
        self,
        config: str,
        image_dir: Path,
        content: dict[str, Any],
        classes: Sequence[str],
        seed: int,
    ) -> None:
        cfg, _ = prepare_config(RunOptions(config=config, pretrained="none"), splits=())
        (inner,) = datasets_of(cfg, ("train",))
        for step in inner.pipeline:
            if step_name(step) == "LoadImage":
                step.on_error = "skip"  # a mosaic draws another image then
        with tempfile.TemporaryDirectory() as folder:
            ann_file = Path(folder) / "usable.json"
            ann_file.write_text(json.dumps(content))
            inner.update(
                data_root="", ann_file=str(ann_file), metainfo=dict(classes=tuple(classes))
            )
            inner.data_prefix = dict(img=str(image_dir.absolute()))
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its steps
                self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.positions = _positions(self.dataset)
        set_random_seed(seed)

    def draw(self, image_id: int) -> tuple[np.ndarray, np.ndarray, list[int]] | None:
        """Return pixels `(H, W, 3)`, boxes xyxy and labels; None if training leaves it out."""
        position = self.positions.get(image_id)
        if position is None:
            return None
        sample = self.dataset[position]
        pixels = sample["inputs"].permute(1, 2, 0).numpy()
        instances = sample["data_samples"].gt_instances
        boxes = getattr(instances.bboxes, "tensor", instances.bboxes).numpy()
        return np.clip(pixels, 0, 255).astype(np.uint8), boxes, instances.labels.tolist()


class _Gallery:
    """Adds the pictures to the page."""

    def __init__(
        self, page: Page, image_dir: Path, content: dict[str, Any], classes: Sequence[str]
    ) -> None:
        self.page, self.image_dir, self.content = page, image_dir, content
        self.names = [*classes, *(f"{name} (crowd)" for name in classes)]
        self.boxes = _boxes_by_image(content)
        self.augmented: _Augmented | None = None

    def show(self, position: int) -> None:
        """Show an image with its boxes, and what training makes of it."""
        image = self.content["images"][position]
        size = (image["width"], image["height"])
        self._add(read_image(str(self.image_dir / image["file_name"]), size), image)

    def _add(self, pixels: np.ndarray, image: Mapping[str, Any]) -> None:
        boxes, labels = self.boxes[image["id"]]
        caption = f"{image['file_name']}, {image['width']}x{image['height']}, {len(boxes)} boxes"
        self._show(pixels, boxes, labels, caption)
        for draw in range(NUM_DRAWS if self.augmented else 0):
            result = self.augmented.draw(image["id"])
            if result is None:
                self.page.text(
                    f"{image['file_name']} is left out of training: no box, or too small"
                )
                return
            caption = f"augmented {draw + 1}, {len(result[1])} boxes"
            self._show(*result, caption)

    def _show(
        self, pixels: np.ndarray, boxes: np.ndarray, labels: Sequence[int], caption: str
    ) -> None:
        scaled = fit_into(pixels, (SIDE_PX, SIDE_PX))
        boxes = np.asarray(boxes) * (scaled.shape[1] / pixels.shape[1])
        drawn = draw_detections(scaled, boxes, labels, class_names=self.names)
        add_picture(self.page, drawn, caption, WIDTH_PX)


def _boxes_by_image(content: Mapping[str, Any]) -> dict[int, tuple[np.ndarray, list[int]]]:
    """Return boxes xyxy and labels of each image; labels of crowd regions follow the classes."""
    labels = {category["id"]: label for label, category in enumerate(content["categories"])}
    boxes, found = defaultdict(list), defaultdict(list)
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        label = labels[annotation["category_id"]]
        boxes[annotation["image_id"]].append([x, y, x + width, y + height])
        found[annotation["image_id"]].append(
            label + len(labels) if annotation.get("iscrowd") else label
        )
    return {
        image["id"]: (np.array(boxes[image["id"]], float).reshape(-1, 4), found[image["id"]])
        for image in content["images"]
    }


def _positions(dataset: Any) -> dict[int, int]:
    """Return where each image id is in a data set, whatever is wrapped around it."""
    inner = dataset
    while not isinstance(inner, BaseDataset):
        inner = inner.dataset
    inner.full_init()
    return {inner.get_data_info(i)["img_id"]: i for i in range(len(inner))}
