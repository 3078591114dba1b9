"""Segmentation scores for mmseg's loops: one pass, memory that does not grow with the data set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmseg.registry import METRICS

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks import IGNORED
from mnv4_vision.seg.evaluation.boundary import boundary_f_scores
from mnv4_vision.seg.evaluation.scores import SegmentationScores, format_table
from mnv4_vision.seg.evaluation.tally import Tally, WorstImage

__all__ = ["SegmentationMetric"]

NUM_WORST = 12


@METRICS.register_module()
class SegmentationMetric(BaseMetric):
    """`mIoU`, `mAcc`, `aAcc`, `boundaryF` and `IoU/<class>`, fractions in 0..1.

    Each process keeps one `(K, K)` confusion matrix and the label maps of a few bad images. Of
    several processes' images each counts once: mmengine's sampler repeats images so that all have
    equally many, and the repeated ones are left out.

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
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.boundary = boundary
        self.classwise = classwise
        self.num_worst = num_worst
        self.scores: SegmentationScores | None = None
        self.worst: list[WorstImage] = []
        self._start()

    def _start(self) -> None:
        self._tally: Tally | None = None
        self._count = 0
        # The latest image waits: only `evaluate` knows whether it is a repeated one.
        self._latest: tuple[np.ndarray, np.ndarray, int, str] | None = None

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
            position = get_rank() + get_world_size() * self._count
            self._count += 1
            self._commit()
            self._latest = truth, prediction, position, file

    def evaluate(self, size: int) -> dict[str, float]:
        """Sum up over all processes.

        Args:
            size: images in the data set; what a sampler adds to them is left out.
        """
        # Of a sampler's rounds over the processes, only the last one can reach beyond the set.
        if self._latest is not None and self._latest[2] < size:
            self._commit()
        self.results = [self._own_tally()]
        self._start()
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list[Tally]) -> dict[str, float]:
        """Score the processes' sums.

        Args:
            results: one tally a process.

        Returns:
            `mIoU`, `mAcc`, `aAcc`, `boundaryF`, and `IoU/<class>` if `classwise`.
        """
        total, *others = results
        for tally in others:
            total.merge(tally)
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

    def _own_tally(self) -> Tally:
        if self._tally is None:
            boundary = boundary_f_scores if self.boundary else None
            self._tally = Tally(len(self.dataset_meta["classes"]), self.num_worst, boundary)
        return self._tally

    def _commit(self) -> None:
        if self._latest is None:
            return
        latest, self._latest = self._latest, None
        try:
            self._own_tally().add(*latest)
        except InputError as error:
            raise InputError(f"{latest[-1]}: {error}") from None


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
