"""Public data sets from their owners: a table of sources, resumed and checked downloads."""

from mnv4_vision.datasets.download.archive import unpack
from mnv4_vision.datasets.download.dataset import download_dataset
from mnv4_vision.datasets.download.sources import SOURCES

__all__ = ["SOURCES", "download_dataset", "unpack"]
