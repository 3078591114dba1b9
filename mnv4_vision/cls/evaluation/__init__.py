"""Classification scores, what is behind them, and the report."""

from mnv4_vision.cls.evaluation.calibration import Calibration
from mnv4_vision.cls.evaluation.metric import ClassificationMetric
from mnv4_vision.cls.evaluation.report import write_metrics, write_report
from mnv4_vision.cls.evaluation.reporting import report_writer
from mnv4_vision.cls.evaluation.scores import ClassificationScores, format_table
from mnv4_vision.cls.evaluation.val_loss import ValLossHook

__all__ = [
    "Calibration",
    "ClassificationMetric",
    "ClassificationScores",
    "ValLossHook",
    "format_table",
    "report_writer",
    "write_metrics",
    "write_report",
]
