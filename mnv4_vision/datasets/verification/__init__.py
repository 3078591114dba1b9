"""What a data set holds, and what of it would fail later."""

from mnv4_vision.datasets.verification.checks import summarise
from mnv4_vision.datasets.verification.statistics import draw_statistics, measure, write_statistics
from mnv4_vision.datasets.verification.summary import SplitSummary, class_table
from mnv4_vision.datasets.verification.usable import read_usable
from mnv4_vision.datasets.verification.verify import DataReport, SplitPaths, verify_data

__all__ = [
    "DataReport",
    "SplitPaths",
    "SplitSummary",
    "class_table",
    "draw_statistics",
    "measure",
    "read_usable",
    "summarise",
    "verify_data",
    "write_statistics",
]
