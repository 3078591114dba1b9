"""Segmentation scores, what is behind them, and the report."""

from mnv4_vision.seg.evaluation.boundary import boundary_f_scores
from mnv4_vision.seg.evaluation.confusion import confusion_matrix
from mnv4_vision.seg.evaluation.metric import SegmentationMetric
from mnv4_vision.seg.evaluation.report import write_metrics, write_report
from mnv4_vision.seg.evaluation.reporting import report_writer
from mnv4_vision.seg.evaluation.scores import SegmentationScores, format_table
from mnv4_vision.seg.evaluation.val_loss import ValLossHook

__all__ = [
    "SegmentationMetric",
    "SegmentationScores",
    "ValLossHook",
    "boundary_f_scores",
    "confusion_matrix",
    "format_table",
    "report_writer",
    "write_metrics",
    "write_report",
]
