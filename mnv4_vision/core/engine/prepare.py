"""From a config file and command-line flags to the resolved config that a runner is built from."""

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import MODELS

from mnv4_vision.core.engine.config_check import check_config, check_overrides
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
        "data_root",
        "dataset_type",
        "iterations",
        "max_epochs",
        "paper_pipeline",
        "photometric",
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
        work_dir: Where logs, checkpoints and pictures go; default `work_dirs/<config name>`.
        data_root: Data set to use instead of the config's.
        demo: Use the generated demo set and the config's `demo` settings.
        overfit: Train and validate on this many training images, without augmentation.
        pretrained: Weights of the backbone instead of the config's; `"none"` for random ones.
        epochs: Length of the training; the schedule is stretched with it.
        batch_size: Images a step and process.
        image_size: Side of the square network input, in pixels.
        amp: Mixed precision on or off; None lets the device decide.
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
    pretrained: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    image_size: int | None = None
    amp: bool | None = None
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
    except (NameError, ImportError) as error:
        raise InputError(f"config {path}: {error}") from error


def prepare_config(options: RunOptions, splits: tuple[str, ...]) -> tuple[Config, Task]:
    """Resolve a config for a run over `splits` (of train, val, test) and check it and its data.

    Args:
        options: The command line.
        splits: Whose data must be there.

    Returns:
        The config, ready for `Runner.from_cfg`, and its task.

    Raises:
        InputError: For anything in config, flags or data that would fail later.
    """
    cfg = load_config(options.config)
    if "task" not in cfg:
        raise InputError(f"config {options.config} names no task; see configs/_base_ for the keys")
    task = build_task(cfg.task)
    check_overrides(cfg, options.cfg_options, HELPER_KEYS)
    _apply_data(cfg, task, options)
    _apply_flags(cfg, task, options)
    overrides = dict(options.cfg_options)
    if "image_size" in overrides:
        task.set_image_size(cfg, overrides.pop("image_size"))
    cfg.merge_from_dict(overrides)
    check_config(cfg, OWN_KEYS, HELPER_KEYS)
    follow_backbone(cfg)
    cfg.model.data_preprocessor.update(normalisation_for(cfg.model.backbone.get("pretrained")))
    task.check_data(cfg, splits)
    return cfg, task


def _apply_data(cfg: Config, task: Task, options: RunOptions) -> None:
    """Choose the data: the demo set, `--data-root`, or the config's own."""
    demo = cfg.pop("demo", None)
    if options.demo:
        if demo is None:
            raise InputError(f"config {options.config} has no demo settings; leave --demo out")
        root = Path(options.data_root) if options.data_root else DEMO_ROOT
        task.make_demo(root)
        task.use_data_root(cfg, root)
        task.set_image_size(cfg, demo.pop("image_size"))
        set_epochs(cfg, demo.pop("epochs"))
        cfg.merge_from_dict(dict(demo))
    elif options.data_root:
        task.use_data_root(cfg, Path(options.data_root))


def _apply_flags(cfg: Config, task: Task, options: RunOptions) -> None:
    if options.image_size:
        task.set_image_size(cfg, options.image_size)
    if options.epochs:
        set_epochs(cfg, options.epochs)
    if options.batch_size:
        cfg.train_dataloader.batch_size = options.batch_size
    if options.overfit:
        task.overfit(cfg, options.overfit)
    if options.pretrained:
        none = options.pretrained.lower() == "none"
        cfg.model.backbone.pretrained = None if none else options.pretrained
    if options.seed is not None:
        cfg.randomness.seed = options.seed
    cfg.launcher = options.launcher
    cfg.work_dir = options.work_dir or f"work_dirs/{Path(options.config).stem}"
    _set_amp(cfg, options.amp)


def _set_amp(cfg: Config, amp: bool | None) -> None:
    """Wrap the optimiser for mixed precision; by default only where a GPU is there."""
    if amp is None:
        amp = torch.cuda.is_available()
    if not amp or "optim_wrapper" not in cfg:
        return
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    if torch.cuda.is_available():
        cfg.optim_wrapper.loss_scale = "dynamic"
    else:
        # CPUs have bf16 kernels only, and without AMX or AVX512-BF16 they are slower than fp32.
        cfg.optim_wrapper.dtype = "bfloat16"
        print_log(
            "--amp on a CPU is bf16: slower than fp32 where the CPU lacks bf16 units", "current"
        )


def set_epochs(cfg: Config, epochs: int) -> None:
    """Set the length of the training and stretch the epoch-based schedule in proportion.

    A warm-up keeps its length, up to a fifth of the training.
    """
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
    with torch.device("meta"):
        channels = list(MODELS.build(dict(cfg.model.backbone, pretrained=None)).out_channels)
    if list(neck.in_channels) != channels:
        print_log(f"neck.in_channels follows the backbone: {channels}", "current")
        neck.in_channels = channels
