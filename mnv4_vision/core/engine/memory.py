"""Out of memory or disk: what was asked of how much, and what to change, in one line."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config

from mnv4_vision.core.errors import InputError

__all__ = ["memory_advice"]

_HOST = re.compile(r"can't allocate memory|not enough memory|Cannot allocate memory|bad_alloc")
_WORKER = re.compile(r"DataLoader worker .*(Killed|exited unexpectedly)", re.DOTALL)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SHARED = re.compile(r"Bus error|shared memory|No space left on device.*shm", re.DOTALL)


@contextmanager
def memory_advice(cfg: Config) -> Iterator[None]:
    """Turn a failure for lack of memory or disk into an `InputError` that says what to change.

    Args:
        cfg: The resolved config of the training.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if isinstance(error, ValueError):  # an InputError may be an OSError too
            raise
        problem = _problem(error, cfg)
        if problem is None:
            raise
        raise InputError(problem) from error


def _problem(error: Exception, cfg: Config) -> str | None:
    """Say what ran out and what helps; None for an error that is not about space."""
    text = str(error)
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return f"out of GPU memory ({_gpu()}) with {_load(cfg)}: {_smaller(cfg)}"
    if _SHARED.search(text):
        return (
            f"out of shared memory (/dev/shm) with {_workers(cfg)} loader workers: in docker pass "
            f"--shm-size=2g, or {_fewer_workers(cfg)}"
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return (
            f"{error.strerror}: {error.filename or cfg.work_dir}; free some space and go on with "
            "--resume"
        )
    if _WORKER.search(text):
        return (
            f"a loader worker was killed, probably for lack of memory ({_host()}): "
            f"{_fewer_workers(cfg)}"
        )
    if isinstance(error, MemoryError) or _HOST.search(text):
        return f"out of memory ({_host()}) with {_load(cfg)}: {_smaller(cfg)}"
    return None


def _gpu() -> str:
    free, total = torch.cuda.mem_get_info()
    ours = torch.cuda.max_memory_reserved()
    return (
        f"{torch.cuda.get_device_name()}: {_gib(total)} in all, {_gib(ours)} taken by this "
        f"process, {_gib(free)} free"
    )


def _host() -> str:
    page = os.sysconf("SC_PAGE_SIZE")
    names = {"SC_PHYS_PAGES": "in all", "SC_AVPHYS_PAGES": "free"}
    known = {name: text for name, text in names.items() if name in os.sysconf_names}
    return ", ".join(f"{_gib(os.sysconf(name) * page)} {text}" for name, text in known.items())


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _load(cfg: Config) -> str:
    size = cfg.get("image_size")
    sides = f" of {size[0]} x {size[1]} px" if size else ""
    return f"batches of {cfg.train_dataloader.batch_size} images{sides}"


def _smaller(cfg: Config) -> str:
    """The flags that need less memory, the one that changes the result least first."""
    batch, size = cfg.train_dataloader.batch_size, cfg.get("image_size")
    accumulated = cfg.optim_wrapper.get("accumulative_counts", 1)
    flags = []
    if batch > 1:
        half = batch // 2
        steps = round(batch * accumulated / half)
        same = " (the same effective batch)" if half * steps == batch * accumulated else ""
        flags.append(f"--batch-size {half} --accumulate {steps}{same}")
    if torch.cuda.is_available() and "Amp" not in str(cfg.optim_wrapper.type):
        flags.append("--amp")
    if size and size[0] > 64:
        flags.append(f"--image-size {max(64, int(size[0] * 0.75) // 32 * 32)}")
    return f"pass {', or '.join(flags)}"


def _workers(cfg: Config) -> int:
    return cfg.train_dataloader.get("num_workers", 0)


def _fewer_workers(cfg: Config) -> str:
    fewer = _workers(cfg) // 2
    persistent = "" if fewer else " train_dataloader.persistent_workers=False"
    return f"--cfg-options train_dataloader.num_workers={fewer}{persistent}"
