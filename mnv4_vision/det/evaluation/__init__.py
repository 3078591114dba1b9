"""COCO scores, what is behind them, and the report; from a model or from saved detections."""

from mnv4_vision.det.evaluation.analysis import analyse
from mnv4_vision.det.evaluation.coco_metric import FastCocoMetric
from mnv4_vision.det.evaluation.report import evaluate_files, write_metrics, write_report
from mnv4_vision.det.evaluation.reporting import report_writer
from mnv4_vision.det.evaluation.scores import CocoScores, evaluate_coco, format_table
from mnv4_vision.det.evaluation.val_loss import ValLossHook

__all__ = [
    "CocoScores",
    "FastCocoMetric",
    "ValLossHook",
    "analyse",
    "evaluate_coco",
    "evaluate_files",
    "format_table",
    "report_writer",
    "write_metrics",
    "write_report",
]
