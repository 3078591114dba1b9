"""Classification as a task of the common tools: data root, classes, demo, checks."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mnv4_vision.cls.data_checks import check_data
from mnv4_vision.cls.evaluation.reporting import report_writer
from mnv4_vision.cls.inference import ImageClassifier
from mnv4_vision.cls.predict import predict_files
from mnv4_vision.cls.transforms.geometry import USUAL_CROP
from mnv4_vision.core.classification import fit_head
from mnv4_vision.core.engine.contract import backbone_contract
from mnv4_vision.core.engine.task import Task, datasets_of, pipelines_of, repeat, step_name
from mnv4_vision.core.weights import evaluation_crop
from mnv4_vision.datasets import make_demo
from mnv4_vision.datasets.image_folders import find_images

__all__ = ["ClassificationTask"]


class ClassificationTask(Task):
    """One class for each photo."""

    data_root: Path | None = None  # of the command line; the config has its own

    def use_data_root(self, cfg: Config, root: Path, splits: tuple[str, ...] = ()) -> None:
        """Point the loaders of `cfg` at the data found below `root`, and name it."""
        self.data_root = root
        need = ("train", "val") if "train" in splits else ("val",)
        data = find_images(root, need=need)
        if int(os.environ.get("RANK", 0)) == 0:
            print(data.describe(root), flush=True)
        for split in ("train", "val", "test"):
            for dataset in datasets_of(cfg, (split,)):
                dataset.data_root = str(root)
                dataset.split = "train" if split == "train" else "val"
                dataset.metainfo = dict(classes=tuple(data.classes))
        self.use_classes(cfg, data.classes)

    def overfit(self, cfg: Config, num_images: int) -> None:
        """Train and validate on `num_images` training images of all classes, not augmented."""
        (train,) = datasets_of(cfg, ("train",))
        for val in datasets_of(cfg, ("val", "test")):
            val.update({**train, "pipeline": val.pipeline}, indices=num_images, test_mode=True)
            train.pipeline = val.pipeline
        train.indices = num_images
        cfg.model.mixing = None
        repeat(cfg, train, num_images)

    def make_demo(self, root: Path) -> None:
        """Generate the demo scenes below `root`; at once where they are there already."""
        make_demo(root)

    def check_data(self, cfg: Config, splits: tuple[str, ...]) -> None:
        """Check the images that `splits` read, and say what is in them."""
        check_data(cfg, splits, self.data_root)

    def use_classes(self, cfg: Config, classes: Sequence[str]) -> None:
        """Give the head these classes."""
        cfg.model.head.num_classes = len(classes)

    def follow_model(self, cfg: Config) -> None:
        """Fit the head to the backbone, and the evaluation's crop to its weights."""
        contract = backbone_contract(cfg)
        if contract is not None:
            fit_head(cfg.model, contract.out_channels[-1])
        trained = str(self.checkpoint) if self.checkpoint else None
        weights = trained or cfg.model.backbone.get("pretrained")
        for pipeline in pipelines_of(cfg):
            for step in pipeline:
                if step_name(step) == "EvalCrop":
                    settings = USUAL_CROP | evaluation_crop(weights, cfg.image_size[0])
                    step.update({key: v for key, v in settings.items() if step.get(key) is None})

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
        """Classify image files; write copies with their classes below `out`."""
        predict_files(ImageClassifier(cfg, checkpoint, device), files, out)
