"""Detection as a task of the common tools: data root, classes, demo, checks."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mnv4_vision.core.engine.task import Task, datasets_of, repeat, step_name
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import find_data, make_demo
from mnv4_vision.det.data_checks import check_data, files_of
from mnv4_vision.det.evaluation.reporting import report_writer
from mnv4_vision.det.inference import Detector
from mnv4_vision.det.models.ssd import follow_levels
from mnv4_vision.det.predict import predict_files

__all__ = ["DetectionTask"]


class DetectionTask(Task):
    """Object detection on data in COCO, Pascal VOC or YOLO format."""

    data_root: Path | None = None  # of the command line; the config has its own

    def use_data_root(self, cfg: Config, root: Path, splits: tuple[str, ...] = ()) -> None:
        """Point the loaders and evaluators of `cfg` at the data found below `root`, and name it."""
        self.data_root = root
        layout = find_data(root, need=("train", "val") if "train" in splits else ("val",))
        if int(os.environ.get("RANK", 0)) == 0:
            print(layout.describe(root), flush=True)
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
        """Train and validate on the first `num_images` training images, without augmentation."""
        (train,) = datasets_of(cfg, ("train",))
        for val in datasets_of(cfg, ("val", "test")):
            # The test pipeline, with the boxes loaded first, so that they are resized too.
            pipeline = sorted(val.pipeline, key=lambda step: not step_name(step).startswith("Load"))
            val.update({key: train[key] for key in ("data_root", "ann_file", "data_prefix")})
            # Not in test mode, where the filter that chose the training images is off.
            val.update(filter_cfg=train.get("filter_cfg"), indices=num_images, test_mode=False)
        train.update(pipeline=pipeline, indices=num_images)
        for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
            evaluator.ann_file = str(files_of(train)[0])
        repeat(cfg, train, num_images)

    def make_demo(self, root: Path) -> None:
        """Generate the demo scenes below `root`; at once where they are there already."""
        make_demo(root)

    def check_data(self, cfg: Config, splits: tuple[str, ...]) -> None:
        """Check the annotation and image files that `splits` read, and say what is in them."""
        check_data(cfg, splits, self.data_root)

    def use_classes(self, cfg: Config, classes: Sequence[str]) -> None:
        """Give the box head these classes."""
        cfg.model.bbox_head.num_classes = len(classes)

    def follow_model(self, cfg: Config) -> None:
        """Fit an SSD head to the levels before it and its anchors to the image size."""
        follow_levels(cfg)
        _check_test_cfg(cfg)

    def report_writer(
        self, runner: Runner, checkpoint: Path
    ) -> Callable[[Path, Mapping[str, Any]], None]:
        """Return what writes the report page, `metrics.json` and `detections.json`."""
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
        """Detect on image files; write drawn copies and `detections.json` below `out`."""
        test_cfg = cfg.model.test_cfg
        test_cfg.score_thr = min(test_cfg.score_thr, score_threshold)
        predict_files(Detector(cfg, checkpoint, device, score_threshold), files, out)


def _check_test_cfg(cfg: Config) -> None:
    """Refuse values on which only the first validation would fail, an epoch after the start."""
    test_cfg = cfg.model.get("test_cfg") or {}
    fractions = {
        "score_thr": test_cfg.get("score_thr", 0),
        "nms.iou_threshold": (test_cfg.get("nms") or {}).get("iou_threshold", 0),
    }
    counts = {key: test_cfg.get(key, -1) for key in ("nms_pre", "max_per_img")}
    wrong = {k: "0..1" for k, v in fractions.items() if not (_is_number(v) and 0 <= v <= 1)}
    wrong |= {k: "whole numbers, -1 for no limit" for k, v in counts.items() if type(v) is not int}
    for key, allowed in wrong.items():
        value = (fractions | counts)[key]
        raise InputError(
            f"config {cfg.filename}: model.test_cfg.{key}={value!r}; it takes {allowed}"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
