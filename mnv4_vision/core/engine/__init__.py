"""Glue between a config, the command line and mmengine's runner; hooks that every task uses."""

from mnv4_vision.core.engine.checkpoint import (
    find_checkpoint,
    load_checkpoint_checked,
    read_checkpoint,
)
from mnv4_vision.core.engine.config_check import check_config, check_overrides
from mnv4_vision.core.engine.early_stop import EarlyStopHook
from mnv4_vision.core.engine.guards import LossGuardHook
from mnv4_vision.core.engine.history import HistoryHook, read_history
from mnv4_vision.core.engine.interrupt import InterruptHook, TrainingInterrupted
from mnv4_vision.core.engine.layer_decay import LayerDecayConstructor
from mnv4_vision.core.engine.log_processor import ValidationLogProcessor
from mnv4_vision.core.engine.loop import TrainLoop
from mnv4_vision.core.engine.optim import Bf16OptimWrapper, DecayGroupsConstructor
from mnv4_vision.core.engine.prepare import RunOptions, load_config, prepare_config
from mnv4_vision.core.engine.progress import ProgressHook
from mnv4_vision.core.engine.resume import ExactResumeHook
from mnv4_vision.core.engine.run import predict, test, train
from mnv4_vision.core.engine.runner import Runner
from mnv4_vision.core.engine.saving import AtomicCheckpointHook, find_resume
from mnv4_vision.core.engine.seeding import seed_worker
from mnv4_vision.core.engine.show import show_config
from mnv4_vision.core.engine.task import Task, build_task

__all__ = [
    "AtomicCheckpointHook",
    "Bf16OptimWrapper",
    "DecayGroupsConstructor",
    "EarlyStopHook",
    "ExactResumeHook",
    "HistoryHook",
    "InterruptHook",
    "LayerDecayConstructor",
    "LossGuardHook",
    "ProgressHook",
    "RunOptions",
    "Runner",
    "Task",
    "TrainLoop",
    "TrainingInterrupted",
    "ValidationLogProcessor",
    "build_task",
    "check_config",
    "check_overrides",
    "find_checkpoint",
    "find_resume",
    "load_checkpoint_checked",
    "load_config",
    "predict",
    "prepare_config",
    "read_checkpoint",
    "read_history",
    "seed_worker",
    "show_config",
    "test",
    "train",
]
