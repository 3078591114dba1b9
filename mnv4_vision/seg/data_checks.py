"""Checks of the data that a segmentation config reads, before anything is trained or tested."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mnv4_vision.core.engine.data_checks import (
    check_steps,
    distinct,
    refuse_one_image,
    skips_bad_images,
    split_name,
)
from mnv4_vision.core.engine.task import datasets_of
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks import MaskData, MaskSplit, find_masks, verify_masks
from mnv4_vision.seg.dataset import choose_classes

__all__ = ["check_data"]

# Heads with a batch norm after global pooling.
_NORMALISE_POOLED = frozenset(
    {"ASPPHead", "DeepLabHead", "DepthwiseSeparableASPPHead", "PSPHead", "UPerHead"}
)


def check_data(cfg: Config, splits: tuple[str, ...], data_root: Path | None = None) -> None:
    """Verify the files that `splits` read, print what is in them, and stop at errors.

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
    report = verify_masks(distinct(read, lambda files: (files.data.root, files.name)))
    if int(os.environ.get("RANK", 0)) == 0:
        print(report.describe(), flush=True)
    root = data_root or next(iter(read.values())).data.root
    report.raise_errors(f"`python tools/data.py verify {root} --task seg` lists them")
    _refuse_two_readings(read)
    for split in splits:
        for dataset in datasets_of(cfg, (split,)):
            _check_classes(cfg, dataset, read[split_name(split)].data)
    if "train" in splits:
        _check_batch(cfg, read["train"])


def _read(cfg: Config, splits: tuple[str, ...]) -> dict[str, MaskSplit]:
    """Return what each split reads; val and test count as one."""
    found: dict[tuple, MaskData] = {}
    read = {}
    for split in splits:
        for dataset in datasets_of(cfg, (split,)):
            name = dataset.get("split", "train")
            key = (str(dataset.data_root), dataset.get("reduce_zero_label"), name)
            if key not in found:
                found[key] = find_masks(key[0], need=(name,), reduce_zero_label=key[1])
            read[split_name(split)] = MaskSplit(found[key], name, skips_bad_images(dataset))
    return read


def _refuse_two_readings(read: Mapping[str, MaskSplit]) -> None:
    """Raise where training reads the values of a set in one way and validation in another."""
    roots = {files.data.root for files in read.values()}
    if len(roots) == 1 and len({files.data.encoding for files in read.values()}) > 1:
        raise InputError(
            f"reduce_zero_label differs between the train and the val data set of {roots.pop()}: "
            "give it to both, or to none"
        )


def _check_classes(cfg: Config, dataset: ConfigDict, data: MaskData) -> None:
    """Raise where data set and heads disagree: mmseg fails with an index error, or never learns."""
    classes: Sequence[str] = (dataset.get("metainfo") or {}).get("classes") or data.classes
    choose_classes(data, classes)
    for key, head in _heads(cfg).items():
        if head.num_classes != len(classes):
            raise InputError(
                f"model.{key} has {head.num_classes} classes, {data.root} {len(classes)}: leave "
                f"model.{key}.num_classes to --data-root"
            )


def _heads(cfg: Config) -> dict[str, ConfigDict]:
    auxiliary = cfg.model.get("auxiliary_head") or []
    if not isinstance(auxiliary, list):
        return {"decode_head": cfg.model.decode_head, "auxiliary_head": auxiliary}
    heads = {f"auxiliary_head[{i}]": head for i, head in enumerate(auxiliary)}
    return {"decode_head": cfg.model.decode_head, **heads}


def _check_batch(cfg: Config, files: MaskSplit) -> None:
    """Raise where the images fill no batch, or a batch of one meets a head that cannot learn so."""
    images = check_steps(cfg, len(files.pairs), files.data.root)
    refuse_one_image(cfg, images, _heads(cfg), _NORMALISE_POOLED)
