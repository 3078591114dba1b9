"""Classification scores for mmengine's loops: one pass, memory of a `(K, K)` matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.registry import METRICS

from mnv4_vision.cls.evaluation.scores import ClassificationScores, format_table
from mnv4_vision.cls.evaluation.tally import Outcome, Tally
from mnv4_vision.core.engine.one_pass import OnePassMetric
from mnv4_vision.core.errors import InputError

__all__ = ["ClassificationMetric"]

NUM_WORST = 24
MAX_CLASSWISE = 100
ROUNDING = 1e-3  # of probabilities in half precision


@METRICS.register_module()
class ClassificationMetric(OnePassMetric):
    """`top1`, `top5`, `mean_class_accuracy`, `calibration_error`, `accuracy/<class>`, in 0..1.

    Up to five classes have no `top5`. Of soft labels (`gt_score`) the most probable class counts
    as the annotated one. In several processes each image counts once, as `OnePassMetric` says.

    Args:
        classwise: report `accuracy/<class>` too, NaN for a class without images; by default of up
            to 100 classes.
        num_worst: how many of the surest mistakes to keep for the report.
        collect_device: "cpu" or "gpu", how ranks exchange results.
        collect_dir: shared folder for that exchange; a temporary one by default.
        prefix: prefix of the metric names.

    Attributes:
        scores: of the latest evaluation, on the process that computed it.
        worst: its surest mistakes, the surest first.

    Raises:
        InputError: no label, or one that is no class; scores that are no probabilities of the
            data's classes.
    """

    default_prefix = "cls"

    def __init__(
        self,
        *,
        classwise: bool | None = None,
        num_worst: int = NUM_WORST,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, collect_dir=collect_dir, prefix=prefix)
        self.classwise = classwise
        self.num_worst = num_worst
        self.scores: ClassificationScores | None = None
        self.worst: list[Outcome] = []

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Judge a batch; a sample has `pred_score` `(K,)` and `gt_label` or `gt_score` `(K,)`."""
        classes = self.dataset_meta["classes"]
        scores = torch.stack([sample["pred_score"] for sample in data_samples])
        scores = scores.detach().float().cpu().numpy()  # one copy from a GPU for the whole batch
        for sample, row in zip(data_samples, scores, strict=True):
            file = str(sample.get("img_path"))
            _check_scores(row, len(classes), file)
            self.take(Outcome.of(file, _label(sample, len(classes), file), row))

    def new_tally(self) -> Tally:
        """Return a tally for the data set's classes."""
        return Tally(len(self.dataset_meta["classes"]), self.num_worst)

    def add(self, tally: Tally, image: Outcome, position: int) -> None:
        """Add an image."""
        tally.add(image, position)

    def score(self, total: Tally) -> dict[str, float]:
        """Score the images of all processes, and print the table."""
        self.worst = total.worst
        self.scores = ClassificationScores.of(self.dataset_meta["classes"], total)
        MMLogger.get_current_instance().info("\n" + format_table(self.scores))
        metrics = dict(self.scores.stats)
        few = len(self.scores.classes) <= MAX_CLASSWISE
        if few if self.classwise is None else self.classwise:
            rows = self.scores.per_class
            metrics |= {f"accuracy/{name}": row["accuracy"] for name, row in rows.items()}
        return metrics


def _check_scores(scores: np.ndarray, num_classes: int, file: str) -> None:
    """Refuse what would silently give a wrong number."""
    if scores.shape != (num_classes,):
        raise InputError(
            f"{file}: the model gives {scores.size} scores but the data set has {num_classes} "
            f"classes: set the head's num_classes to {num_classes}"
        )
    if not np.isfinite(scores).all():
        raise InputError(
            f"{file}: the model gives scores that are no numbers (nan or inf): the training has "
            "diverged, or the weights are damaged"
        )
    low, high = scores.min(), scores.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"{file}: pred_score is from {low:.3g} to {high:.3g}, probabilities are from 0 to 1: "
            "take the softmax of the logits"
        )


def _label(sample: dict, num_classes: int, file: str) -> int:
    """Return the annotated class."""
    if sample.get("gt_label") is not None:
        label = int(sample["gt_label"])
    elif sample.get("gt_score") is not None:
        label = int(sample["gt_score"].argmax())
    else:
        raise InputError(f"{file}: no gt_label to compare with; the test pipeline packs none")
    if not 0 <= label < num_classes:
        raise InputError(
            f"{file} has label {label} but the data set has only {num_classes} classes "
            f"(0..{num_classes - 1})"
        )
    return label
