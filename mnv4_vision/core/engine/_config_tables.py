"""What mmengine's runner (0.10) and builders read of a config, besides the arguments of classes."""

import inspect
from collections.abc import Callable

from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import LogProcessor, Runner, TestLoop, ValLoop
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer
from torch.utils.data import DataLoader

__all__ = [
    "BUILDER_KEYS",
    "BUILDER_KEYS_BY_NAME",
    "CLASS_LIBRARIES",
    "DEFAULT_TYPES",
    "LIBRARIES",
    "META_KEYS",
    "PARAMWISE",
    "PLAIN_KEYS",
    "READ_BY_OWNER",
    "REST_GOES_TO",
    "RUNNER_KEYS",
    "UNREAD_UPSTREAM",
]

# Runner's parameters, and what it reads by cfg.get besides.
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"} | {
    "activation_checkpointing",
    "compile",
    "custom_imports",
    "efficient_conv_bn_eval",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "runner_type",
    "sync_bn",
}
# Dicts that the runner builds by a default type. `train_cfg` has two, by its `by_epoch`.
DEFAULT_TYPES: dict[str, type] = {
    "train_dataloader": DataLoader,
    "val_dataloader": DataLoader,
    "test_dataloader": DataLoader,
    "val_cfg": ValLoop,
    "test_cfg": TestLoop,
    "optim_wrapper": OptimWrapper,
    "log_processor": LogProcessor,
    "visualizer": Visualizer,
}
PARAMWISE = "optim_wrapper.paramwise_cfg"
# Dicts that are no arguments of a class: who reads them, and what.
PLAIN_KEYS: dict[str, tuple[str, frozenset[str]]] = {
    "auto_scale_lr": ("Runner.scale_lr", frozenset({"base_batch_size", "enable"})),
    "env_cfg": (
        "Runner.setup_env",
        frozenset({"cudnn_benchmark", "dist_cfg", "mp_cfg", "resource_limit"}),
    ),
    "env_cfg.mp_cfg": (
        "set_multi_processing",
        frozenset({"mp_start_method", "opencv_num_threads"}),
    ),
    "randomness": (
        "Runner.set_randomness",
        frozenset({"deterministic", "diff_rank_seed", "seed"}),
    ),
    "optim_wrapper.clip_grad": (
        "torch.nn.utils.clip_grad_norm_ or clip_grad_value_",
        frozenset({"clip_value", "error_if_nonfinite", "foreach", "max_norm", "norm_type"}),
    ),
    PARAMWISE: (
        "DefaultOptimWrapperConstructor",
        frozenset(
            {
                "bias_decay_mult",
                "bias_lr_mult",
                "bypass_duplicate",
                "custom_keys",
                "dcn_offset_lr_mult",
                "dwconv_decay_mult",
                "flat_decay_mult",
                "norm_decay_mult",
            }
        ),
    ),
}
# Keys that a builder takes out before it calls the class.
BUILDER_KEYS: tuple[tuple[type, set[str]], ...] = (
    (Hook, {"priority"}),
    (_ParamScheduler, {"convert_to_iter_based", "epoch_length"}),
    (ManagerMixin, {"name"}),
    (OptimWrapper, {"constructor", "optimizer", "paramwise_cfg"}),
    (DataLoader, {"disable_subprocess_warning", "num_batch_per_epoch"}),
)
# The same for builders that go by the name of the config key.
BUILDER_KEYS_BY_NAME = {
    "dcn": {"fallback_on_stride"},
    "init_cfg": {"override"},
    "nms": {"class_agnostic", "split_thr"},
    "norm_cfg": {"requires_grad"},
    "override": {"name"},
    "upsample_cfg": {"scale_factor"},
}
# Classes that keep their other keywords for a call.
REST_GOES_TO: tuple[tuple[type, Callable], ...] = ((CheckpointHook, Runner.save_checkpoint),)
# Dicts without a type that the class beside them reads, or one below it, and keys that upstream's
# configs carry there though nothing reads them.
READ_BY_OWNER = {"data_prefix", "filter_cfg", "test_cfg", "train_cfg"}
UNREAD_UPSTREAM = {
    "allowed_border",
    "assigner",
    "debug",
    "filter_empty_gt",
    "min_size",
    "pos_weight",
}
META_KEYS = {"type", "_scope_", "_delete_"}
# Types that are looked up elsewhere than in a registry, by config key and by class.
LIBRARIES = {"nms": "mmcv.ops.nms", "roi_layer": "mmcv.ops"}
CLASS_LIBRARIES = {"Albu": "albumentations", "AlbumentationsBase": "albumentations"}
