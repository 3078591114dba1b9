"""Checks of the data that a classification config reads, before anything is trained or tested."""

import os
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mnv4_vision.cls.dataset import choose_classes
from mnv4_vision.core.engine.data_checks import (
    check_steps,
    distinct,
    refuse_one_image,
    skips_bad_images,
    split_name,
)
from mnv4_vision.core.engine.task import datasets_of, step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.image_folders import (
    ImageSplit,
    LabelledImages,
    find_images,
    verify_images,
)

__all__ = ["check_data"]

# Heads with a batch norm after global pooling.
_NORMALISE_POOLED = frozenset({"MobileNetV4Head"})


def check_data(cfg: Config, splits: tuple[str, ...], data_root: Path | None = None) -> None:
    """Verify the images that `splits` read, print what is in them, and stop at errors.

    Args:
        cfg: Resolved config.
        splits: Of "train", "val" and "test".
        data_root: Folder to name in the advice; by default the config's own.

    Raises:
        InputError: One line about the first error, with the command that shows them all.
    """
    read = _read(cfg, splits)
    if not read:
        return
    for split in splits:
        for dataset in datasets_of(cfg, (split,)):
            _check_classes(cfg, dataset, read[split_name(split)].data)
    if "train" in splits:
        _check_batch(cfg, read["train"])
    report = verify_images(
        distinct(read, lambda files: (files.data.root, files.name)), input_px=_input_px(cfg)
    )
    if int(os.environ.get("RANK", 0)) == 0:
        print(report.describe(), flush=True)
    root = data_root or next(iter(read.values())).data.root
    report.raise_errors(f"`python tools/data.py verify {root} --task cls` lists them")


def _read(cfg: Config, splits: tuple[str, ...]) -> dict[str, ImageSplit]:
    """Return what each split reads; val and test count as one."""
    found: dict[tuple[str, str], LabelledImages] = {}
    read = {}
    for split in splits:
        for dataset in datasets_of(cfg, (split,)):
            name = dataset.get("split", "train")
            key = (str(dataset.data_root), name)
            if key not in found:
                found[key] = find_images(key[0], only=(name,))
            read[split_name(split)] = ImageSplit(found[key], name, skips_bad_images(dataset))
    return read


def _input_px(cfg: Config) -> int:
    """Return the shorter side of the network's input, as the evaluation crops it."""
    for key in ("test", "val", "train"):
        for dataset in datasets_of(cfg, (key,)):
            for step in dataset.pipeline:
                if step_name(step) in ("EvalCrop", "InceptionCrop"):
                    return min(step["scale"])
    return 0


def _check_classes(cfg: Config, dataset: ConfigDict, data: LabelledImages) -> None:
    """Raise where data set and head disagree: torch fails with an index error, or never learns."""
    classes = (dataset.get("metainfo") or {}).get("classes") or data.classes
    choose_classes(data, classes)
    if cfg.model.head.num_classes != len(classes):
        raise InputError(
            f"model.head has {cfg.model.head.num_classes} classes, {data.root} {len(classes)}: "
            "leave model.head.num_classes to --data-root"
        )


def _check_batch(cfg: Config, files: ImageSplit) -> None:
    """Raise where the images fill no batch, or a batch of one meets a head that cannot learn so."""
    (train,) = datasets_of(cfg, ("train",))
    classes = (train.get("metainfo") or {}).get("classes") or files.data.classes
    chosen = choose_classes(files.data, classes)
    total = sum(image.label in chosen for image in files.images)
    images = check_steps(cfg, total, train.data_root)
    refuse_one_image(cfg, images, {"head": cfg.model.head}, _NORMALISE_POOLED)
