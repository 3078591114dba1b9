"""The report about a test that a runner has run: page and numbers in one folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from mnv4_vision.core.report import find_metric
from mnv4_vision.seg.drawing import default_palette
from mnv4_vision.seg.evaluation.metric import SegmentationMetric
from mnv4_vision.seg.evaluation.report import Evaluation, write_metrics, write_report

__all__ = ["report_writer"]


def report_writer(runner: Runner, checkpoint: Path) -> Callable[[Path, Mapping[str, Any]], None]:
    """Return the function that writes the report once `runner` has tested.

    Its arguments are the page to write and the test's metrics; `metrics.json` goes beside the page.

    Raises:
        InputError: the test's metric is another one.
    """
    metric, dataset = find_metric(runner, SegmentationMetric)

    def write(path: Path, results: Mapping[str, Any]) -> None:
        write_metrics(path.parent / "metrics.json", metric.scores)
        meta = metric.dataset_meta
        evaluation = Evaluation(
            scores=metric.scores,
            worst=metric.worst,
            palette=meta.get("palette") or default_palette(len(meta["classes"])),
            history=checkpoint.parent / "metrics.jsonl",
            # ValLossHook's; scores have a prefix, as `seg/IoU/gloss` has.
            losses={n: v for n, v in results.items() if "loss" in n and "/" not in n},
            provenance={
                "config": runner.cfg.filename,
                "checkpoint": checkpoint,
                "data": dataset.data_root,
            },
        )
        write_report(path, evaluation)

    return write
