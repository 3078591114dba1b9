"""Detection as a task of the common tools: data root, classes, demo, checks."""

import os
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmengine.config import Config, ConfigDict

from mnv4_vision.core.engine.task import Task, datasets_of, step_name
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets import HOW_TO_GET, CocoSummary, check_coco, find_coco, make_demo
from mnv4_vision.det.inference import Detector
from mnv4_vision.det.predict import predict_files

__all__ = ["DetectionTask"]

OVERFIT_STEPS = 20


class DetectionTask(Task):
    """Object detection on data in COCO format."""

    def use_data_root(self, cfg: Config, root: Path, splits: tuple[str, ...] = ()) -> None:
        """Point the loaders and evaluators of `cfg` at the COCO files found below `root`."""
        layout = find_coco(root, need=("train", "val") if "train" in splits else ("val",))
        files = {
            "train": (layout.train_ann, layout.train_images),
            "val": (layout.val_ann, layout.val_images),
        }
        files["test"] = files["val"]
        for split, (annotations, images) in files.items():
            for dataset in datasets_of(cfg, (split,)):
                dataset.data_root = ""
                dataset.ann_file = str(annotations)
                dataset.data_prefix = dict(img=str(images))
                dataset.metainfo = dict(classes=tuple(layout.classes))
            if split != "train":
                cfg[f"{split}_evaluator"].ann_file = str(annotations)
        self.use_classes(cfg, layout.classes)

    def overfit(self, cfg: Config, num_images: int) -> None:
        """Train and validate on the first `num_images` training images, without augmentation.

        The images are repeated to epochs of `OVERFIT_STEPS` steps.
        """
        (train,) = datasets_of(cfg, ("train",))
        for val in datasets_of(cfg, ("val", "test")):
            # The test pipeline, with the boxes loaded first, so that they are resized too.
            pipeline = sorted(val.pipeline, key=lambda step: not step_name(step).startswith("Load"))
            val.update({key: train[key] for key in ("data_root", "ann_file", "data_prefix")})
            # Not in test mode, where the filter that chose the training images is off.
            val.update(filter_cfg=train.get("filter_cfg"), indices=num_images, test_mode=False)
        train.update(pipeline=pipeline, indices=num_images)
        for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
            evaluator.ann_file = str(_files_of(train)[0])
        batch = cfg.train_dataloader.batch_size = min(cfg.train_dataloader.batch_size, num_images)
        times = ceil(OVERFIT_STEPS * batch / num_images)
        cfg.train_dataloader.dataset = dict(type="RepeatDataset", dataset=train, times=times)

    def make_demo(self, root: Path) -> None:
        """Generate the demo scenes below `root`; at once where they are there already."""
        make_demo(root)

    def check_data(self, cfg: Config, splits: tuple[str, ...]) -> None:
        """Check the annotation and image files that `splits` read, and say what is in them."""
        summaries = {}
        for dataset in datasets_of(cfg, splits):
            files = _files_of(dataset)
            if files not in summaries:
                summaries[files] = _check_files(*files)
                if int(os.environ.get("RANK", 0)) == 0:
                    print(summaries[files], flush=True)
            metainfo = {**CocoDataset.METAINFO, **(dataset.get("metainfo") or {})}
            _check_classes(summaries[files], metainfo["classes"], cfg.model.bbox_head.num_classes)
        if "train" in splits:
            _check_batch(cfg, summaries)

    def use_classes(self, cfg: Config, classes: Sequence[str]) -> None:
        """Give the box head these classes."""
        cfg.model.bbox_head.num_classes = len(classes)

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
        """Detect on image files; write drawn copies and `detections.json` below `out`."""
        test_cfg = cfg.model.test_cfg
        test_cfg.score_thr = min(test_cfg.score_thr, score_threshold)
        predict_files(Detector(cfg, checkpoint, device, score_threshold), files, out)


def _check_files(annotations: Path, images: Path) -> CocoSummary:
    try:
        return check_coco(annotations, images)
    except MissingFileError as error:
        if annotations.is_file():
            raise
        raise MissingFileError(
            f"{error} (looked at {annotations.absolute()}). {HOW_TO_GET}"
        ) from None


def _check_classes(summary: CocoSummary, classes: Sequence[str], num_classes: int) -> None:
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


def _check_batch(cfg: Config, summaries: dict[tuple[Path, Path], CocoSummary]) -> None:
    """Raise where the training images do not fill one batch: there would be no step at all."""
    (train,) = datasets_of(cfg, ("train",))
    summary = summaries[_files_of(train)]
    repeats = cfg.train_dataloader.dataset.get("times", 1)
    images = min(summary.num_images, train.get("indices") or summary.num_images) * repeats
    step = cfg.train_dataloader.batch_size * int(os.environ.get("WORLD_SIZE", 1))
    if images < step:
        raise InputError(
            f"{summary.ann_file} has {images} images, one step takes {step}: pass a smaller "
            "--batch-size"
        )


def _files_of(dataset: ConfigDict) -> tuple[Path, Path]:
    """Return the annotation file and the image folder of a data set."""
    root = Path(dataset.get("data_root") or "")
    return root / dataset.ann_file, root / dataset.data_prefix.img
