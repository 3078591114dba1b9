"""Detection as a task of the common tools: data root, classes, demo, checks."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mnv4_vision.core.engine.task import Task, datasets_of
from mnv4_vision.datasets import check_coco, find_coco, make_demo
from mnv4_vision.det.inference import Detector
from mnv4_vision.det.predict import predict_files

__all__ = ["DetectionTask"]


class DetectionTask(Task):
    """Object detection on data in COCO format."""

    def use_data_root(self, cfg: Config, root: Path) -> None:
        """Point the loaders and evaluators of `cfg` at the COCO files found below `root`."""
        layout = find_coco(root)
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

    def make_demo(self, root: Path) -> None:
        """Generate the demo scenes below `root`; at once where they are there already."""
        make_demo(root)

    def check_data(self, cfg: Config, splits: tuple[str, ...]) -> None:
        """Check the annotation and image files that `splits` read."""
        checked = set()
        for dataset in datasets_of(cfg, splits):
            root = Path(dataset.get("data_root") or "")
            files = (root / dataset.ann_file, root / dataset.data_prefix.img)
            if files not in checked:
                check_coco(*files)
                checked.add(files)

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
        predict_files(Detector(cfg, checkpoint, device, score_threshold), files, out)
