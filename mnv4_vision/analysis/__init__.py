"""Measuring networks of every task: time, size, layers, the paper's performance model."""

from mnv4_vision.analysis.accuracy import Accuracy, catalogue_accuracy, find_accuracy, read_accuracy
from mnv4_vision.analysis.layers import Layer, trace_layers
from mnv4_vision.analysis.networks import Network, build_network, deployed
from mnv4_vision.analysis.pareto import draw_pareto, pareto_front
from mnv4_vision.analysis.roofline import Profile, Stage, memory_share, model_time, profile
from mnv4_vision.analysis.timing import Cell, Timing, prepare, time_interleaved

__all__ = [
    "Accuracy",
    "Cell",
    "Layer",
    "Network",
    "Profile",
    "Stage",
    "Timing",
    "build_network",
    "catalogue_accuracy",
    "deployed",
    "draw_pareto",
    "find_accuracy",
    "memory_share",
    "model_time",
    "pareto_front",
    "prepare",
    "profile",
    "read_accuracy",
    "time_interleaved",
    "trace_layers",
]
