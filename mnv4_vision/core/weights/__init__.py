"""Published weights: catalogue, download, conversion from and to timm, loading, publishing."""

from mnv4_vision.core.weights.catalogue import CATALOGUE, WeightsEntry, find_entry, get_entry
from mnv4_vision.core.weights.convert import convert_from_timm, convert_to_timm
from mnv4_vision.core.weights.evaluation import evaluation_crop
from mnv4_vision.core.weights.hub import download
from mnv4_vision.core.weights.load import load_pretrained
from mnv4_vision.core.weights.normalisation import normalisation_for
from mnv4_vision.core.weights.publish import Published, publish
from mnv4_vision.core.weights.report import LoadReport

__all__ = [
    "CATALOGUE",
    "LoadReport",
    "Published",
    "WeightsEntry",
    "convert_from_timm",
    "convert_to_timm",
    "download",
    "evaluation_crop",
    "find_entry",
    "get_entry",
    "load_pretrained",
    "normalisation_for",
    "publish",
]
