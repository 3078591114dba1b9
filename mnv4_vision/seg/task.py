"""Segmentation as a task of the common tools: data root, classes, demo, checks."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from mnv4_vision.core.engine.contract import head_contract
from mnv4_vision.core.engine.task import Task, datasets_of, pipelines_of, repeat, step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import make_demo
from mnv4_vision.datasets.masks import find_masks
from mnv4_vision.seg.data_checks import check_data
from mnv4_vision.seg.evaluation.reporting import report_writer
from mnv4_vision.seg.inference import Segmenter
from mnv4_vision.seg.options import OPTIONS, apply_options
from mnv4_vision.seg.predict import predict_files

__all__ = ["SegmentationTask"]


class SegmentationTask(Task):
    """Semantic segmentation on photos with label maps."""

    data_root: Path | None = None  # of the command line; the config has its own
    own_keys = frozenset(OPTIONS)

    def use_data_root(self, cfg: Config, root: Path, splits: tuple[str, ...] = ()) -> None:
        """Point the loaders of `cfg` at the data found below `root`, and name it."""
        self.data_root = root
        need = ("train", "val") if "train" in splits else ("val",)
        data = find_masks(root, need=need)
        if int(os.environ.get("RANK", 0)) == 0:
            print(data.describe(root), flush=True)
        for split in ("train", "val", "test"):
            for dataset in datasets_of(cfg, (split,)):
                dataset.data_root = str(root)
                dataset.split = "train" if split == "train" else "val"
                dataset.metainfo = dict(classes=tuple(data.classes), palette=list(data.palette))
                dataset.pop("reduce_zero_label", None)  # what the config's own data ask for
        self.use_classes(cfg, data.classes)

    def set_image_size(self, cfg: Config, size: int | tuple[int, int]) -> None:
        """Replace `image_size`; a smaller crop stays, one that no longer fits becomes it."""
        super().set_image_size(cfg, size)
        for pipeline in pipelines_of(cfg):
            for step in pipeline:
                if step.get("crop_size"):
                    step.crop_size = tuple(map(min, step.crop_size, cfg.image_size))

    def overfit(self, cfg: Config, num_images: int) -> None:
        """Train and validate on the first `num_images` training images, without augmentation."""
        (train,) = datasets_of(cfg, ("train",))
        for val in datasets_of(cfg, ("val", "test")):
            val.update({**train, "pipeline": val.pipeline}, indices=num_images, test_mode=True)
        train.pipeline = [_without_chance(step) for step in train.pipeline if _is_kept(step)]
        train.indices = num_images
        repeat(cfg, train, num_images)

    def make_demo(self, root: Path) -> None:
        """Generate the demo scenes below `root`; at once where they are there already."""
        make_demo(root)

    def check_data(self, cfg: Config, splits: tuple[str, ...]) -> None:
        """Check the photos and masks that `splits` read, and say what is in them."""
        check_data(cfg, splits, self.data_root)

    def use_classes(self, cfg: Config, classes: Sequence[str]) -> None:
        """Give every head these classes."""
        for head in heads_of(cfg):
            head.num_classes = len(classes)

    def follow_model(self, cfg: Config) -> None:
        """Apply the options; fit the heads to channels and output stride of the maps they read."""
        apply_options(cfg)
        contract = head_contract(cfg)
        if contract is None:
            return
        for head in heads_of(cfg):
            head.in_channels = _followed(head, contract.out_channels)
            if "output_stride" in head:
                head.output_stride = contract.strides[-1]

    def report_writer(
        self, runner: Runner, checkpoint: Path
    ) -> Callable[[Path, Mapping[str, Any]], None]:
        """Return what writes the report page and `metrics.json`."""
        return report_writer(runner, checkpoint)

    def predict(
        self,
        cfg: Config,
        checkpoint: Path,
        files: Sequence[Path],
        out: Path,
        *,
        device: str,
        score_threshold: float,
    ) -> None:
        """Label image files; write overlays and index masks below `out`."""
        predict_files(Segmenter(cfg, checkpoint, device), files, out)


def heads_of(cfg: Config) -> list[ConfigDict]:
    """Return the decode head, or the heads of a cascade, and the auxiliary ones in `cfg`."""
    groups = (cfg.model.get(name) or [] for name in ("decode_head", "auxiliary_head"))
    return [head for group in groups for head in (group if isinstance(group, list) else [group])]


def _followed(head: ConfigDict, channels: Sequence[int]) -> int | list[int]:
    """Return the channels of the maps that `head` reads."""
    single = isinstance(head.in_channels, int)
    default = -1 if single else list(range(len(channels)))
    index = head.get("in_index", default)
    try:
        return channels[index] if single else [channels[i] for i in index]
    except IndexError:
        raise InputError(
            f"in_index={index} of {head.type}: the backbone returns {len(channels)} maps; "
            "see model.backbone.out_indices"
        ) from None


def _is_kept(step: ConfigDict) -> bool:
    name = step_name(step)
    return name.startswith(("Load", "Pack")) or name == "RandomScaleCropFlip"


def _without_chance(step: ConfigDict) -> ConfigDict:
    """Return the step; the random crop becomes one of the whole photo, as far as it fits."""
    if step_name(step) != "RandomScaleCropFlip":
        return step
    fixed = dict(ratio_range=(1.0, 1.0), flip_prob=0.0, cat_max_ratio=1.0, crop_size=None)
    return ConfigDict(step, **fixed)
