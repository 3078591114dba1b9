"""Checks of the data that a detection config reads, before anything is trained or tested."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmengine.config import Config, ConfigDict

from mnv4_vision.core.engine.data_checks import (
    check_steps,
    distinct,
    skips_bad_images,
    split_name,
)
from mnv4_vision.core.engine.task import datasets_of
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.core.files import cache_folder
from mnv4_vision.datasets import HOW_TO_GET, SplitPaths, SplitSummary, verify_data

__all__ = ["check_data", "files_of"]


def check_data(cfg: Config, splits: tuple[str, ...], data_root: Path | None = None) -> None:
    """Verify the files that `splits` read, print what is in them, and stop at errors.

    Args:
        cfg: Resolved config.
        splits: Of "train", "val" and "test".
        data_root: Folder to name in the advice; by default the one that holds all the files.

    Raises:
        InputError: One line about the first error, with the command that shows them all.
    """
    paths = _paths(cfg, splits)
    if not paths:
        return
    for files in paths.values():
        _require(files.ann_file)
    report = verify_data(distinct(paths, lambda files: (files.ann_file, files.image_dir)))
    if int(os.environ.get("RANK", 0)) == 0:
        print(report.describe(), flush=True)
    root = data_root or _common_folder(paths.values())
    report.raise_errors(f"`python tools/data.py verify {root}` lists them")
    summaries = {
        split: report.summaries.get(split, report.summaries.get("train")) for split in paths
    }
    for split in splits:
        for dataset in datasets_of(cfg, (split,)):
            metainfo = {**CocoDataset.METAINFO, **(dataset.get("metainfo") or {})}
            summary = summaries[split_name(split)]
            _check_classes(summary, metainfo["classes"], cfg.model.bbox_head.num_classes)
    if "train" in splits:
        summary = summaries["train"]
        check_steps(cfg, summary.num_images, summary.ann_file)


def files_of(dataset: ConfigDict) -> tuple[Path, Path]:
    """Return the annotation file and the image folder of a data set."""
    root = Path(dataset.get("data_root") or "")
    return root / dataset.ann_file, root / dataset.data_prefix.img


def _paths(cfg: Config, splits: tuple[str, ...]) -> dict[str, SplitPaths]:
    return {
        split_name(split): SplitPaths(*files_of(dataset), skips_bad_images(dataset))
        for split in splits
        for dataset in datasets_of(cfg, (split,))
    }


def _require(ann_file: Path) -> None:
    if ann_file.is_file():
        return
    if ann_file.absolute().is_relative_to(cache_folder()):
        raise MissingFileError(
            f"annotation file {ann_file} was converted and is no longer in the cache: pass the "
            "data by --data-root again"
        )
    raise MissingFileError(
        f"annotation file {ann_file} does not exist (looked at {ann_file.absolute()}). {HOW_TO_GET}"
    )


def _common_folder(paths: Iterable[SplitPaths]) -> Path | str:
    """Return the folder that holds all the files, or a word for it where some are in the cache."""
    files = [path.absolute() for split in paths for path in (split.ann_file, split.image_dir)]
    in_cache = any(file.is_relative_to(cache_folder()) for file in files)
    return "DIR" if in_cache else Path(os.path.commonpath(files))


def _check_classes(summary: SplitSummary, classes: Sequence[str], num_classes: int) -> None:
    """Raise where file, data set and head disagree: mmdet would train on and report AP 0."""
    absent = [name for name in classes if name not in summary.classes]
    if absent:
        raise InputError(
            f"{summary.ann_file} has no category {absent[0]!r} (and {len(absent) - 1} more of the "
            "config's classes): pass the data by --data-root, which takes the classes from the file"
        )
    in_file_order = [name for name in summary.classes if name in set(classes)]
    if in_file_order != list(classes):
        raise InputError(
            f"{summary.ann_file} lists its categories in another order than the config's classes, "
            "and labels follow the file: pass the data by --data-root"
        )
    if len(classes) != num_classes:
        raise InputError(
            f"the head has {num_classes} classes, {summary.ann_file} {len(classes)}: leave "
            "model.bbox_head.num_classes to --data-root"
        )
