"""From a config file and command-line flags to the resolved config that a runner is built from."""

import ast
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from mnv4_vision.core.engine.accumulation import set_accumulation
from mnv4_vision.core.engine.amp import set_amp
from mnv4_vision.core.engine.batch_norm import freeze_statistics
from mnv4_vision.core.engine.config_check import check_config, check_overrides
from mnv4_vision.core.engine.config_errors import naming_config
from mnv4_vision.core.engine.contract import backbone_contract
from mnv4_vision.core.engine.loggers import add_loggers
from mnv4_vision.core.engine.swap import swap_backbone
from mnv4_vision.core.engine.task import Task, build_task
from mnv4_vision.core.errors import InputError, MissingFileError, did_you_mean
from mnv4_vision.core.weights import normalisation_for

__all__ = ["DEMO_ROOT", "RunOptions", "load_config", "prepare_config", "set_epochs"]

DEMO_ROOT = Path("data/demo")

# Top-level names of this toolkit's configs that the runner itself does not read.
OWN_KEYS = frozenset({"task", "image_size", "demo"})

# Variables that config files compose others from; nothing reads them once the config is resolved.
HELPER_KEYS = frozenset(
    {
        "backend_args",
        "colour",
        "crop_flip",
        "data_root",
        "dataset_type",
        "iterations",
        "max_epochs",
        "mixing",
        "norm_cfg",
        "pad",
        "paper_pipeline",
        "photometric",
        "ssd_colour",
        "test_pipeline",
        "train_pipeline",
        "val_pipeline",
    }
)


@dataclass
class RunOptions:
    """The flags that the tools share.

    Attributes:
        config: Config file.
        work_dir: Where logs, checkpoints and pictures go; default `work_dirs/<config name>`, with
            the name of another backbone behind it.
        data_root: Data set to use instead of the config's.
        demo: Use the generated demo set and the config's `demo` settings.
        overfit: Train and validate on this many training images, without augmentation.
        backbone: Another backbone instead of the config's: an architecture or timm's model.
        pretrained: Weights of the backbone instead of the config's; `"none"` for random ones.
        epochs: Length of the training; the schedule is stretched with it.
        batch_size: Images a step and process.
        accumulate: Steps whose gradients make one update.
        freeze_bn: Keep the BatchNorm statistics of the pretrained backbone.
        early_stop: Validations without improvement that end the training; None for never.
        log: Trackers to write to, of `LOGGERS`.
        image_size: Side of the square network input, in pixels.
        amp: Mixed precision on or off; None lets the device decide.
        amp_dtype: `"fp16"` or `"bf16"` for mixed precision, which it turns on.
        seed: Seed of every random generator.
        launcher: `"none"` or `"pytorch"` (torchrun), `"slurm"`, `"mpi"`.
        resume: None, `"auto"` for the newest intact checkpoint of `work_dir`, or a checkpoint.
        cfg_options: `a.b=c` overrides, applied last.
    """

    config: str
    work_dir: str | None = None
    data_root: str | None = None
    demo: bool = False
    overfit: int | None = None
    backbone: str | None = None
    pretrained: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    accumulate: int | None = None
    freeze_bn: bool = False
    early_stop: int | None = None
    log: Sequence[str] = ()
    image_size: int | None = None
    amp: bool | None = None
    amp_dtype: str | None = None
    seed: int | None = None
    launcher: str = "none"
    resume: str | None = None
    cfg_options: dict[str, Any] = field(default_factory=dict)


def load_config(path: str) -> Config:
    """Read a config file; a missing or broken one is an `InputError` that names it."""
    file = Path(path)
    if not file.is_file():
        found = [str(p) for p in Path("configs").rglob("*.py") if "_base_" not in p.parts]
        raise MissingFileError(f"config {path} does not exist{did_you_mean(str(file), found)}")
    try:
        ast.parse(file.read_text())
        cfg = Config.fromfile(file)
        for name in cfg._imported_names:  # mmengine keeps a config's imports among its keys
            cfg.pop(name, None)
        cfg.to_dict()  # imports every class that the config names
        return cfg
    except SyntaxError as error:
        raise InputError(f"config {path}, line {error.lineno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"config {path} is not Python text: is it a checkpoint?") from error
    except (Exception, SystemExit) as error:  # a config is code, which can fail in any way
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"config {path}: {reason}") from error


def prepare_config(
    options: RunOptions, splits: tuple[str, ...], checkpoint: Path | None = None
) -> tuple[Config, Task]:
    """Resolve a config for a run over `splits` (of train, val, test) and check it and its data.

    Args:
        options: The command line.
        splits: Whose data must be there.
        checkpoint: The weights of a test or prediction.

    Returns:
        The config, ready for `Runner.from_cfg`, and its task.

    Raises:
        InputError: For anything in config, flags or data that would fail later.
    """
    cfg = load_config(options.config)
    with naming_config(options.config):
        task = _resolve(cfg, options, splits, checkpoint)
    task.check_data(cfg, splits)
    return cfg, task


def _resolve(
    cfg: Config, options: RunOptions, splits: tuple[str, ...], checkpoint: Path | None
) -> Task:
    """Apply data and flags to `cfg` in place, check it, and return its task."""
    if "task" not in cfg:
        raise InputError(f"config {options.config} names no task; see configs/_base_ for the keys")
    task = build_task(cfg.task)
    task.checkpoint = checkpoint
    _check_launcher(options.launcher)
    if options.backbone:
        swap_backbone(cfg, options.backbone)
    overrides = dict(options.cfg_options)
    check_overrides(cfg, overrides, HELPER_KEYS)
    demo = cfg.pop("demo", None)
    if any(key.split(".")[0] == "demo" for key in overrides):
        raise InputError("--cfg-options demo...: override what the demo sets, e.g. --epochs")
    _apply_data(cfg, task, options, demo, splits)
    _apply_flags(cfg, task, options)
    if "image_size" in overrides:
        task.set_image_size(cfg, overrides.pop("image_size"))
    cfg.merge_from_dict(overrides)
    check_config(cfg, OWN_KEYS | task.own_keys, HELPER_KEYS)
    for name in HELPER_KEYS:
        cfg.pop(name, None)  # the dumped config shows what counts, once
    follow_backbone(cfg)
    task.follow_model(cfg)
    _normalise(cfg, options, checkpoint)
    # Last, as `--overfit` repeats what is set up by now; checks see what will run.
    if options.overfit:
        task.overfit(cfg, options.overfit)
    return task


def _check_launcher(launcher: str) -> None:
    """Refuse torchrun without `--launcher` (N runs in one work dir) and the reverse."""
    under_torchrun = "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", 1)) > 1
    if launcher == "none" and under_torchrun:
        raise InputError("started by torchrun: pass --launcher pytorch")
    if launcher == "pytorch" and "LOCAL_RANK" not in os.environ:
        raise InputError("--launcher pytorch: start it with torchrun, see docs/training.md")


def _normalise(cfg: Config, options: RunOptions, checkpoint: Path | None) -> None:
    """Take mean and std from the weights that run, unless the command line types others."""
    preprocessor = cfg.model.data_preprocessor
    if "model.data_preprocessor.mean" in options.cfg_options:
        return
    if checkpoint is not None:
        preprocessor.update(normalisation_for(str(checkpoint)))
    elif "mean" not in preprocessor or _chooses_weights(options):
        preprocessor.update(normalisation_for(cfg.model.backbone.get("pretrained")))


def _chooses_weights(options: RunOptions) -> bool:
    """Whether the command line names other weights than the config, hence other mean and std."""
    chosen = options.pretrained or options.backbone
    return chosen is not None or "model.backbone.pretrained" in options.cfg_options


def _apply_data(
    cfg: Config,
    task: Task,
    options: RunOptions,
    demo: ConfigDict | None,
    splits: tuple[str, ...],
) -> None:
    """Choose the data: the demo set, `--data-root`, or the config's own."""
    if options.demo:
        if demo is None:
            raise InputError(f"config {options.config} has no demo settings; leave --demo out")
        root = Path(options.data_root or DEMO_ROOT)
        if not (options.data_root and root.is_dir()):  # a set made with other sizes stays as it is
            task.make_demo(root)
        task.use_data_root(cfg, root, splits)
        task.set_image_size(cfg, demo.pop("image_size"))
        set_epochs(cfg, demo.pop("epochs"))
        cfg.merge_from_dict(dict(demo))
    elif options.data_root:
        task.use_data_root(cfg, Path(options.data_root), splits)


def _apply_flags(cfg: Config, task: Task, options: RunOptions) -> None:
    if options.image_size:
        task.set_image_size(cfg, options.image_size)
    if options.epochs:
        set_epochs(cfg, options.epochs)
    if options.batch_size:
        cfg.train_dataloader.batch_size = options.batch_size
    if options.accumulate:
        set_accumulation(cfg, options.accumulate)
    if options.pretrained:
        none = options.pretrained.lower() == "none"
        cfg.model.backbone.pretrained = None if none else options.pretrained
    if options.freeze_bn:
        freeze_statistics(cfg)
    if options.early_stop:
        cfg.default_hooks.early_stop = dict(type="EarlyStopHook", patience=options.early_stop)
    add_loggers(cfg, options.log)
    if options.seed is not None:
        cfg.randomness.seed = options.seed
    cfg.launcher = options.launcher
    names = filter(None, (Path(options.config).stem, options.backbone))
    default = cfg.get("work_dir") or f"work_dirs/{'_'.join(names)}"
    cfg.work_dir = options.work_dir or default
    set_amp(cfg, options.amp, options.amp_dtype)


def set_epochs(cfg: Config, epochs: int) -> None:
    """Set the length of the training and stretch the epoch-based schedule in proportion.

    A warm-up keeps its length, up to a fifth of the training.

    Raises:
        InputError: The config's training is counted in iterations.
    """
    if "max_epochs" not in cfg.train_cfg:
        raise InputError(
            f"--epochs {epochs}: this config counts iterations "
            f"({cfg.train_cfg.get('max_iters')}); set train_cfg.max_iters and the end of its "
            "schedulers with --cfg-options"
        )
    old = cfg.train_cfg.max_epochs
    cfg.train_cfg.max_epochs = epochs
    cfg.train_cfg.val_interval = max(1, min(cfg.train_cfg.get("val_interval", 1), epochs))
    for scheduler in cfg.param_scheduler:
        for key in ("begin", "end"):
            if scheduler.get(key) == old:
                scheduler[key] = epochs
            elif key in scheduler:
                scheduler[key] = min(scheduler[key], epochs / 5)
        if "milestones" in scheduler:
            scheduler.milestones = [round(m * epochs / old) for m in scheduler.milestones]


def follow_backbone(cfg: Config) -> None:
    """Make the neck's input channels those of the backbone in `cfg` (feature contract)."""
    neck = cfg.model.get("neck")
    if neck is None or "in_channels" not in neck:
        return
    backbone = backbone_contract(cfg)
    if backbone is None:
        return
    channels = list(backbone.out_channels)
    if list(neck.in_channels) != channels:
        print_log(f"neck.in_channels follows the backbone: {channels}", "current")
        neck.in_channels = channels
