"""Checks of the data that a segmentation config reads, before anything is trained or tested."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mnv4_vision.core.engine.task import datasets_of, step_name
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
    report = verify_masks(_distinct(read))
    if int(os.environ.get("RANK", 0)) == 0:
        print(report.describe(), flush=True)
    root = data_root or next(iter(read.values())).data.root
    report.raise_errors(f"`python tools/data.py verify {root} --task seg` lists them")
    _refuse_two_readings(read)
    for split in splits:
        for dataset in datasets_of(cfg, (split,)):
            _check_classes(cfg, dataset, read[_split_name(split)].data)
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
            read[_split_name(split)] = MaskSplit(found[key], name, _skips_bad_images(dataset))
    return read


def _refuse_two_readings(read: Mapping[str, MaskSplit]) -> None:
    """Raise where training reads the values of a set in one way and validation in another."""
    roots = {files.data.root for files in read.values()}
    if len(roots) == 1 and len({files.data.encoding for files in read.values()}) > 1:
        raise InputError(
            f"reduce_zero_label differs between the train and the val data set of {roots.pop()}: "
            "give it to both, or to none"
        )


def _split_name(split: str) -> str:
    return "train" if split == "train" else "val"


def _skips_bad_images(dataset: ConfigDict) -> bool:
    policies = (step.get("on_error", "stop") for step in dataset.pipeline)
    return any(policy != "stop" for policy in policies)


def _distinct(read: Mapping[str, MaskSplit]) -> dict[str, MaskSplit]:
    """Leave out a val split that is the train split on purpose: `--overfit`."""
    first = next(iter(read.values()))
    return {
        split: files
        for split, files in read.items()
        if files is first or (files.data.root, files.name) != (first.data.root, first.name)
    }


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
    (train,) = datasets_of(cfg, ("train",))
    loader, total = cfg.train_dataloader, len(files.pairs)
    indices = train.get("indices")
    chosen = total if indices is None else indices if isinstance(indices, int) else len(indices)
    images = min(total, chosen) * loader.dataset.get("times", 1)
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    step = loader.batch_size * ranks
    if images < step:
        raise InputError(
            f"{files.data.root} has {images} {files.name} images, one step takes {step}: pass a "
            "smaller --batch-size"
        )
    last = -(-images // ranks) % loader.batch_size
    alone = loader.batch_size == 1 or (last == 1 and not loader.get("drop_last"))
    if alone and not cfg.get("sync_bn"):
        _refuse_one_image(cfg, loader.batch_size)


def _refuse_one_image(cfg: Config, batch_size: int) -> None:
    """Raise for heads in which torch's batch norm would have a single value for each channel."""
    for key, head in _heads(cfg).items():
        if step_name(head) in _NORMALISE_POOLED:
            fix = (
                "pass --batch-size 2 or more"
                if batch_size == 1
                else "set train_dataloader.drop_last=True: its last batch has one image"
            )
            raise InputError(
                f"model.{key} ({step_name(head)}) normalises a map pooled to one pixel, which "
                f"takes two images at a time: {fix}"
            )
