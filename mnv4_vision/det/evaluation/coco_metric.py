"""COCO box metric for mmdet's loops: compact arrays per image, no JSON files, names checked."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import write_json
from mnv4_vision.det.evaluation.coco_files import detection_records, read_ground_truth
from mnv4_vision.det.evaluation.scores import CocoScores, evaluate_coco, format_table

__all__ = ["FastCocoMetric"]


@METRICS.register_module()
class FastCocoMetric(BaseMetric):
    """The twelve COCO numbers, unrounded, and AP and AP50 per class.

    A label is the position of its class in the data set's `metainfo["classes"]`; it becomes a
    category id of the annotation file through the class name, whatever the order of the file.

    Args:
        ann_file: COCO annotations of the evaluated images.
        backend: "hotcoco", or "pycocotools" for the reference.
        classwise: report `AP/<class>` and `AP50/<class>` too.
        subset: allow classes that cover only some of the file's categories.
        save_detections: also write the detections here, as a COCO results file.
        collect_device: "cpu" or "gpu", how ranks exchange results.
        collect_dir: shared folder for that exchange; a temporary one by default.
        prefix: prefix of the metric names.

    Attributes:
        scores: of the latest evaluation, on the process that computed it.
        detections: of the latest evaluation, `(N, 7)` rows `image_id, x, y, w, h, score,
            category_id`.
        image_ids: of the latest evaluation.

    Raises:
        InputError: missing or inconsistent annotations, or classes that are not its categories.
    """

    default_prefix = "coco"

    def __init__(
        self,
        ann_file: str | os.PathLike,
        *,
        backend: str = "hotcoco",
        classwise: bool = True,
        subset: bool = False,
        save_detections: str | os.PathLike | None = None,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.backend = backend
        self.classwise = classwise
        self.subset = subset
        self.save_detections = save_detections
        # Read now: a bad file must stop the run before the first epoch, not after it.
        self.ground_truth = read_ground_truth(ann_file)
        self.scores: CocoScores | None = None
        self.detections = np.zeros((0, 7))
        self.image_ids: list[int] = []

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """Meta information of the data set; its classes are checked when it is set."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any]) -> None:
        classes = dataset_meta["classes"]
        ids = self.ground_truth.find_categories(classes, subset=self.subset)
        self._category_ids = np.array(ids, dtype=np.int64)
        self._dataset_meta = dataset_meta

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep one `(N, 6)` float32 array `x1, y1, x2, y2, score, label` per image."""
        for sample in data_samples:
            instances = sample["pred_instances"]
            columns = (instances["bboxes"], instances["scores"], instances["labels"])
            boxes, scores, labels = (column.detach().float() for column in columns)
            rows = torch.cat([boxes, scores[:, None], labels[:, None]], dim=1)
            self.results.append((int(sample["img_id"]), rows.cpu().numpy()))

    def compute_metrics(self, results: list[tuple[int, np.ndarray]]) -> dict[str, float]:
        """Score the collected detections.

        Args:
            results: what `process` kept, of all ranks; an image may occur twice (padding).

        Returns:
            `AP`, `AP50`, ..., and `AP/<class>`, `AP50/<class>` if `classwise`.
        """
        per_image = dict(reversed(results))  # of an image that occurs twice, the first one counts
        image_ids = sorted(per_image)
        detections = self._to_coco(per_image, image_ids)
        self._warn(detections, image_ids)
        self.detections, self.image_ids = detections, image_ids
        if self.save_detections is not None:
            write_json(self.save_detections, detection_records(detections))
        self.scores = evaluate_coco(
            self.ground_truth,
            detections,
            backend=self.backend,
            class_names=self.dataset_meta["classes"],
            image_ids=image_ids or None,
        )
        MMLogger.get_current_instance().info("\n" + format_table(self.scores))
        metrics = dict(self.scores.stats)
        if self.classwise:
            for name, row in self.scores.per_class.items():
                metrics |= {f"AP/{name}": row["AP"], f"AP50/{name}": row["AP50"]}
        return metrics

    def _to_coco(self, per_image: dict[int, np.ndarray], image_ids: list[int]) -> np.ndarray:
        """Stack to `(N, 7)` float64 rows `image_id, x, y, w, h, score, category_id`."""
        if not image_ids:
            return np.zeros((0, 7))
        counts = [len(per_image[image]) for image in image_ids]
        rows = np.concatenate([per_image[image] for image in image_ids]).astype(np.float64)
        labels = rows[:, 5].astype(np.int64)
        if labels.size and labels.max() >= len(self._category_ids):
            raise InputError(
                f"the model predicts class number {labels.max()} but the data set has only "
                f"{len(self._category_ids)} classes: set the head's num_classes to "
                f"{len(self._category_ids)}"
            )
        return np.column_stack(
            [
                np.repeat(np.array(image_ids, dtype=np.float64), counts),
                rows[:, :2],
                rows[:, 2:4] - rows[:, :2],
                rows[:, 4],
                self._category_ids[labels],
            ]
        )

    def _warn(self, detections: np.ndarray, image_ids: list[int]) -> None:
        logger = MMLogger.get_current_instance()
        total = len(self.ground_truth.images)
        if image_ids and len(image_ids) < total:
            logger.warning(f"evaluated on {len(image_ids)} of the {total} annotated images")
        if not len(detections):
            logger.warning(
                f"no detections in any of the {len(image_ids)} images: AP is 0 (an untrained "
                "or diverged model, or a score threshold that is too high)"
            )
        if not len(self.ground_truth.boxes):
            logger.warning(f"{self.ground_truth.source} has no boxes: AP is undefined (-1)")
