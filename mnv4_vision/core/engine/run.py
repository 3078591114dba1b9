"""Train and test: what the thin commands in `tools/` call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.logging import print_log
from mmengine.runner import Runner as MMEngineRunner
from torch import nn

from mnv4_vision.core.engine.checkpoint import (
    find_checkpoint,
    load_checkpoint_checked,
    read_checkpoint,
)
from mnv4_vision.core.engine.inputs import expand_inputs
from mnv4_vision.core.engine.prepare import RunOptions, prepare_config
from mnv4_vision.core.engine.resume import find_resume
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.core.weights.load import open_weights

__all__ = ["Runner", "predict", "test", "train"]


class Runner(MMEngineRunner):
    """mmengine's runner with the model in channels-last memory and a quiet start.

    Depthwise convolutions are twice as fast in channels-last on CPUs, and tensor cores want it.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """Join the process group; without CUDA by gloo."""
        if self.distributed and not is_distributed() and not torch.cuda.is_available():
            # mmengine 0.10 sets a CUDA device whatever the backend, and fails on CPU-only torch.
            torch.distributed.init_process_group("gloo")
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Move the model to its device, in channels-last memory, and wrap it for DDP."""
        if self.distributed and not torch.cuda.is_available():
            # mmengine would give DDP a device id, which a model on the CPU does not have.
            model_wrapper_cfg = dict(model_wrapper_cfg or {}, device_ids=None)
        return super().wrap_model(model_wrapper_cfg, model.to(memory_format=torch.channels_last))

    def _log_env(self, env_cfg: dict) -> None:
        """Write the config beside the log instead of printing its hundreds of lines."""
        self.logger.info(f"work_dir {self.work_dir} (resolved config, log, metrics, curves)")

    def dump_config(self) -> None:
        """Write the resolved config as `config.py`, the same name whatever the run."""
        if self.rank == 0:
            self.cfg.dump(Path(self.work_dir) / "config.py")


def train(options: RunOptions) -> dict[str, Any]:
    """Train as `options` say; return the metrics of the last validation."""
    cfg, _ = prepare_config(options, splits=("train", "val"))
    if options.resume:
        _set_resume(cfg, options.resume)
    _guard_work_dir(cfg)
    if cfg.model.backbone.get("pretrained") and not cfg.get("resume"):
        open_weights(cfg.model.backbone.pretrained)  # fail before the work dir is made
    runner = Runner.from_cfg(cfg)
    runner.train()
    return dict(runner.message_hub.runtime_info).get("last_metrics", {})


def _set_resume(cfg: Config, resume: str) -> None:
    if resume == "auto":
        checkpoint = find_resume(cfg.work_dir)
        if checkpoint is None:
            print_log(f"nothing to resume in {cfg.work_dir}: training starts anew", "current")
            return
    elif not Path(resume).is_file():
        raise MissingFileError(f"--resume {resume}: no such checkpoint")
    else:
        checkpoint = resume
    cfg.load_from, cfg.resume = str(checkpoint), True


def _guard_work_dir(cfg: Config) -> None:
    """Refuse to overwrite the checkpoints of an earlier run."""
    if not cfg.get("resume") and find_resume(cfg.work_dir) is not None:
        raise InputError(
            f"{cfg.work_dir} holds checkpoints of an earlier run: pass --resume to go on with it, "
            "or another --work-dir"
        )


def test(options: RunOptions, checkpoint: str) -> dict[str, float]:
    """Evaluate a checkpoint, or a work dir's best one, on the test split; return the metrics."""
    cfg, _ = prepare_config(options, splits=("test",))
    path = find_checkpoint(checkpoint)
    cfg.model.backbone.pretrained = None
    runner = Runner.from_cfg(cfg)
    load_checkpoint_checked(
        runner.model, path, classes=runner.test_dataloader.dataset.metainfo["classes"]
    )
    return runner.test()


def predict(
    options: RunOptions,
    checkpoint: str,
    inputs: Sequence[str],
    out: str,
    *,
    device: str = "cpu",
    score_threshold: float = 0.3,
) -> None:
    """Run a checkpoint on files, folders or globs; the classes are the checkpoint's."""
    files = expand_inputs(inputs)
    cfg, task = prepare_config(options, splits=())
    path = find_checkpoint(checkpoint)
    classes = (read_checkpoint(path)["meta"].get("dataset_meta") or {}).get("classes")
    if classes is not None:
        task.use_classes(cfg, classes)
    task.predict(cfg, path, files, Path(out), device=device, score_threshold=score_threshold)
