"""Mixed precision: which optimiser wrapper and type a machine and the flags ask for."""

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError

__all__ = ["set_amp"]

_WRAPPERS = {"OptimWrapper", "AmpOptimWrapper", "Bf16OptimWrapper"}
# bf16 has the exponents of fp32, so it needs no loss scaling.
_SETTINGS = {
    None: {"loss_scale": "dynamic"},
    "fp16": {"loss_scale": "dynamic", "dtype": "float16"},
    "bf16": {"loss_scale": {"enabled": False}, "dtype": "bfloat16"},
}


def set_amp(cfg: Config, amp: bool | None, dtype: str | None = None) -> None:
    """Choose the optimiser wrapper: by default mixed precision only where there is a GPU.

    Args:
        cfg: Config to edit; one without an optimiser is left alone.
        amp: On or off; None lets the device and `dtype` decide.
        dtype: "fp16", "bf16", or None for fp16 on a GPU and bf16 on a CPU.
    """
    wrapper = cfg.get("optim_wrapper")
    if wrapper is None:
        return
    if dtype is not None and amp is False:
        raise InputError(f"--no-amp and --amp-dtype {dtype} contradict each other")
    amp = True if dtype is not None else amp
    name = step_name(wrapper)
    if name not in _WRAPPERS:
        if amp is not None:
            raise InputError(f"--amp and --no-amp do not know optim_wrapper.type {name}")
        return
    # A config dumped on another machine names the wrapper of that one.
    before = {key: wrapper.pop(key) for key in ("loss_scale", "dtype") if key in wrapper}
    gpu = torch.cuda.is_available()
    if not (gpu if amp is None else amp):
        wrapper.type = "OptimWrapper"  # names, as a dump cannot write classes
    elif gpu:
        settings = {**_SETTINGS[None], **before} if dtype is None else _SETTINGS[dtype]
        wrapper.update(settings, type="AmpOptimWrapper")
    elif dtype == "fp16":
        raise InputError("--amp-dtype fp16 needs a GPU: on a CPU, bf16 is the type to use")
    else:
        wrapper.type = "Bf16OptimWrapper"
        print_log("--amp on a CPU is bf16: slow on CPUs without bf16 units", "current")
