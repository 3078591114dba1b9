"""The report about a test that a runner has run: page, numbers and detections in one folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from mnv4_vision.core.files import write_json
from mnv4_vision.core.report import find_metric
from mnv4_vision.det.evaluation.coco_files import detection_records
from mnv4_vision.det.evaluation.coco_metric import FastCocoMetric
from mnv4_vision.det.evaluation.report import Evaluation, write_metrics, write_report
from mnv4_vision.det.evaluation.scores import select_categories

__all__ = ["report_writer"]


def report_writer(runner: Runner, checkpoint: Path) -> Callable[[Path, Mapping[str, Any]], None]:
    """Return the function that writes the report once `runner` has tested.

    Its arguments are the page to write and the test's metrics; `metrics.json` and
    `detections.json` go beside the page.

    Raises:
        InputError: the test's metric keeps no detections.
    """
    metric, dataset = find_metric(runner, FastCocoMetric, ", ...")

    def write(path: Path, results: Mapping[str, Any]) -> None:
        write_json(path.parent / "detections.json", detection_records(metric.detections))
        write_metrics(path.parent / "metrics.json", metric.scores)
        evaluation = Evaluation(
            gt=metric.ground_truth,
            detections=metric.detections,
            scores=metric.scores,
            image_ids=metric.image_ids,
            categories=select_categories(metric.ground_truth, metric.dataset_meta["classes"]),
            images=Path(dataset.data_prefix["img"]),
            history=checkpoint.parent / "metrics.jsonl",
            # ValLossHook's; scores have a prefix, `coco/AP/glossy` too.
            losses={name: value for name, value in results.items() if name.startswith("loss")},
            provenance={
                "config": runner.cfg.filename,
                "checkpoint": checkpoint,
                "annotations": metric.ground_truth.source,
            },
        )
        write_report(path, evaluation)

    return write
