"""The report about a test that a runner has run: page and numbers in one folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from mnv4_vision.cls.evaluation.metric import ClassificationMetric
from mnv4_vision.cls.evaluation.report import Evaluation, write_metrics, write_report
from mnv4_vision.core.report import find_metric

__all__ = ["report_writer"]


def report_writer(runner: Runner, checkpoint: Path) -> Callable[[Path, Mapping[str, Any]], None]:
    """Return the function that writes the report once `runner` has tested.

    Its arguments are the page to write and the test's metrics; `metrics.json` goes beside the page.

    Raises:
        InputError: the test's metric is another one.
    """
    metric, dataset = find_metric(runner, ClassificationMetric)

    def write(path: Path, results: Mapping[str, Any]) -> None:
        write_metrics(path.parent / "metrics.json", metric.scores)
        evaluation = Evaluation(
            scores=metric.scores,
            worst=metric.worst,
            history=checkpoint.parent / "metrics.jsonl",
            # ValLossHook's; scores have a prefix, as `cls/accuracy/gloss` has.
            losses={n: v for n, v in results.items() if "loss" in n and "/" not in n},
            provenance={
                "config": runner.cfg.filename,
                "checkpoint": checkpoint,
                "data": dataset.data_root,
            },
        )
        write_report(path, evaluation)

    return write
