"""Segmentation scores for mmseg's loops: one pass, memory that does not grow with the data set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmseg.registry import METRICS

from mnv4_vision.core.engine.one_pass import OnePassMetric
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks import IGNORED
from mnv4_vision.seg.evaluation.boundary import boundary_f_scores
from mnv4_vision.seg.evaluation.scores import SegmentationScores, format_table
from mnv4_vision.seg.evaluation.tally import Tally, WorstImage

__all__ = ["SegmentationMetric"]

NUM_WORST = 12


@METRICS.register_module()
class SegmentationMetric(OnePassMetric):
    """`mIoU`, `mAcc`, `aAcc`, `boundaryF` and `IoU/<class>`, fractions in 0..1.

    Each process keeps one `(K, K)` confusion matrix and the label maps of a few bad images; of
    several processes' images each counts once.

    Args:
        boundary: measure the boundary F-score too.
        classwise: report `IoU/<class>` too; NaN for a class without annotated or predicted pixels.
        num_worst: how many images of the lowest mean IoU to keep for the report.
        collect_device: "cpu" or "gpu", how ranks exchange results.
        collect_dir: shared folder for that exchange; a temporary one by default.
        prefix: prefix of the metric names.

    Attributes:
        scores: of the latest evaluation, on the process that computed it.
        worst: its worst images, the worst first.

    Raises:
        InputError: sizes of mask and prediction differ, or labels that are no classes.
    """

    default_prefix = "seg"

    def __init__(
        self,
        *,
        boundary: bool = True,
        classwise: bool = True,
        num_worst: int = NUM_WORST,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, collect_dir=collect_dir, prefix=prefix)
        self.boundary = boundary
        self.classwise = classwise
        self.num_worst = num_worst
        self.scores: SegmentationScores | None = None
        self.worst: list[WorstImage] = []

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch; label maps are `(1, H, W)` at the mask's own size."""
        for sample in data_samples:
            file = str(sample.get("img_path"))
            if "gt_sem_seg" not in sample:
                raise InputError(f"{file}: no mask to compare with; the test pipeline loads none")
            truth = _labels(sample["gt_sem_seg"]["data"], file)
            prediction = _labels(sample["pred_sem_seg"]["data"], file)
            if truth.shape != prediction.shape:
                raise InputError(
                    f"{file}: the mask has {_size(truth)} pixels, the prediction "
                    f"{_size(prediction)}; predictions have the photo's size: load the mask after "
                    "the resize in the test pipeline"
                )
            self.take((truth, prediction, file))

    def new_tally(self) -> Tally:
        """Return a tally for the data set's classes."""
        boundary = boundary_f_scores if self.boundary else None
        return Tally(len(self.dataset_meta["classes"]), self.num_worst, boundary)

    def add(self, tally: Tally, image: tuple[np.ndarray, np.ndarray, str], position: int) -> None:
        """Add truth and prediction of a file."""
        truth, prediction, file = image
        try:
            tally.add(truth, prediction, position, file)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None

    def score(self, total: Tally) -> dict[str, float]:
        """Score all images, and print the table.

        Returns:
            `mIoU`, `mAcc`, `aAcc`, `boundaryF`, and `IoU/<class>` if `classwise`.
        """
        self.worst = sorted(total.worst, reverse=True)
        self.scores = SegmentationScores(
            tuple(self.dataset_meta["classes"]), total.confusion, total.boundary_f, total.num_images
        )
        logger = MMLogger.get_current_instance()
        logger.info("\n" + format_table(self.scores))
        if not total.confusion.any():
            logger.warning(
                f"no annotated pixel in the {total.num_images} images: mIoU is undefined (nan)"
            )
        metrics = dict(self.scores.stats)
        if self.classwise:
            metrics |= {f"IoU/{n}": row["IoU"] for n, row in self.scores.per_class.items()}
        return metrics


def _labels(data: torch.Tensor, file: str) -> np.ndarray:
    """Return `(H, W)` uint8 labels; bytes also make the copy from a GPU small."""
    labels = data.detach().reshape(data.shape[-2:])
    if labels.dtype != torch.uint8:
        low, high = labels.aminmax()
        if low < 0 or high > IGNORED:
            label = int(low if low < 0 else high)
            raise InputError(f"{file} has label {label} in mask or prediction, not 0..{IGNORED}")
        labels = labels.to(torch.uint8)
    return labels.cpu().numpy()


def _size(labels: np.ndarray) -> str:
    return f"{labels.shape[1]} x {labels.shape[0]}"
