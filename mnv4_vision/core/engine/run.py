"""Train, test and predict: what the thin commands in `tools/` call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log

from mnv4_vision.core.backbones.timm_backbone import reparameterize
from mnv4_vision.core.engine.checkpoint import (
    find_checkpoint,
    load_checkpoint_checked,
    read_checkpoint,
)
from mnv4_vision.core.engine.inputs import expand_inputs
from mnv4_vision.core.engine.loggers import connect_loggers
from mnv4_vision.core.engine.memory import memory_advice
from mnv4_vision.core.engine.prepare import RunOptions, prepare_config
from mnv4_vision.core.engine.runner import Runner
from mnv4_vision.core.engine.saving import find_resume
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import check_writable
from mnv4_vision.core.weights.load import open_weights

__all__ = ["predict", "test", "train"]


def train(options: RunOptions) -> dict[str, Any]:
    """Train as `options` say; return the metrics of the last validation."""
    cfg, _ = prepare_config(options, splits=("train", "val"))
    checkpoint = _resume_from(cfg, options.resume)
    if checkpoint is None:
        _guard_work_dir(cfg)
        if cfg.model.backbone.get("pretrained"):
            open_weights(cfg.model.backbone.pretrained)  # fail before the work dir is made
    check_writable(cfg.work_dir)
    connect_loggers(cfg, resume=checkpoint is not None)
    with memory_advice(cfg):
        runner = Runner.from_cfg(cfg)
        if checkpoint is not None:
            _resume(runner, checkpoint)
        runner.train()
    return runner.message_hub.get_info("last_metrics", {})


def _resume_from(cfg: Config, resume: str | None) -> Path | None:
    """Return the checkpoint to go on from, checked as far as that goes without the model."""
    if resume is None:
        return None
    path = find_resume(cfg.work_dir) if resume == "auto" else Path(resume)
    if path is None:
        print_log(f"nothing to resume in {cfg.work_dir}: training starts anew", "current")
        return None
    content = read_checkpoint(path)
    if not {"optimizer", "param_schedulers", "message_hub"} <= content.keys():
        raise InputError(
            f"{path} holds weights only: resume from epoch_N.pth of its work dir, or start a new "
            f"training with --pretrained {path}"
        )
    length = "max_epochs" if "max_epochs" in cfg.train_cfg else "max_iters"
    planned, now = content["message_hub"]["runtime_info"].get(length), cfg.train_cfg[length]
    if planned is not None and planned != now:
        raise InputError(
            f"{path} is of a training of {planned} {length[4:]}, this one has {now}: a schedule "
            f"cannot be stretched half-way; start a new training with --pretrained {path}"
        )
    return path


def _resume(runner: Runner, checkpoint: Path) -> None:
    """Make `runner` go on from a checkpoint, which must be of the same model.

    Not by the config: its `load_from` and `resume` would be dumped, and steer later runs of it.
    """
    load_checkpoint_checked(runner.model, checkpoint)
    for module in runner.model.modules():
        if hasattr(module, "pretrained"):
            module.pretrained = None  # the checkpoint replaces these weights
    runner._load_from, runner._resume = str(checkpoint), True


def _guard_work_dir(cfg: Config) -> None:
    """Refuse to overwrite the checkpoints of an earlier run."""
    if find_resume(cfg.work_dir) is not None:
        raise InputError(
            f"{cfg.work_dir} holds checkpoints of an earlier run: pass --resume to go on with it, "
            "or another --work-dir"
        )


def test(
    options: RunOptions,
    checkpoint: str,
    report: str | None = None,  # noqa: PT028 (not pytest's)
) -> dict[str, float]:
    """Evaluate a checkpoint, or a work dir's best one, on the test split; return the metrics.

    Args:
        options: The config and its flags.
        checkpoint: A checkpoint, or a work dir for its best one.
        report: Also write this HTML page; "auto" for `report.html` in the work dir.
    """
    path = find_checkpoint(checkpoint)
    cfg, task = prepare_config(options, ("test",), path)
    # Beside the training's own files, which a second config.py would overwrite.
    cfg.work_dir = options.work_dir or str(path.parent / "test")
    cfg.load_from, cfg.resume = None, False
    check_writable(cfg.work_dir)
    runner = Runner.from_cfg(cfg)
    classes = runner.test_dataloader.dataset.metainfo["classes"]
    load_checkpoint_checked(runner.model, path, classes=classes)
    reparameterize(runner.model)
    write_report = None if report is None else task.report_writer(runner, path)
    metrics = runner.test()
    if write_report is not None and is_main_process():
        page = Path(cfg.work_dir if report == "auto" else report)
        page = page / "report.html" if page.is_dir() else page
        write_report(page, metrics)
        print_log(f"report in {page}", "current")
    return metrics


def predict(
    options: RunOptions,
    checkpoint: str,
    inputs: Sequence[str],
    out: str,
    *,
    device: str | None = None,
    score_threshold: float = 0.3,
) -> None:
    """Run a checkpoint on files, folders or globs; the classes are the checkpoint's.

    Args:
        options: The config and its flags.
        checkpoint: A checkpoint, or a work dir for its best one.
        inputs: Image files, folders, globs.
        out: Folder of the results.
        device: "cpu", "cuda", ...; by default a GPU where there is one.
        score_threshold: Leave out what is less sure.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    files = expand_inputs(inputs)
    path = find_checkpoint(checkpoint)
    cfg, task = prepare_config(options, (), path)
    classes = (read_checkpoint(path)["meta"].get("dataset_meta") or {}).get("classes")
    if classes is not None:
        task.use_classes(cfg, classes)
    task.predict(cfg, path, files, Path(out), device=device, score_threshold=score_threshold)
