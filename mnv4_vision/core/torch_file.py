"""Torch checkpoints, read without running code of theirs and without overlooking damage."""

import collections
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from mnv4_vision.core.errors import InputError

__all__ = ["damaged", "first_line", "is_intact", "load_torch", "strip_parallel"]


def _history_method(owner: type, name: str) -> Any:
    """Stand in for the `getattr` by which a `HistoryBuffer` refers to its own methods."""
    if owner is not HistoryBuffer or name.startswith("_"):
        raise pickle.UnpicklingError("GLOBAL getattr")
    return getattr(owner, name)


# What mmengine's message hub and metadata are made of. mmengine itself allows the real `getattr`,
# with which a file could reach any code. numpy 1 wrote its functions under another module name.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
_SAFE_GLOBALS = [
    (_history_method, "builtins.getattr"),
    HistoryBuffer,
    collections.defaultdict,
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in np.typecodes["All"]},
    *((_RECONSTRUCT, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]


def load_torch(path: Path) -> Any:
    """Read a file of `torch.save` to the CPU, with restricted unpickling and checked checksums.

    Raises:
        InputError: The file is damaged, cannot be read, or holds objects that could run code.
    """
    try:
        if zipfile.is_zipfile(path):
            _check_records(path)
        with torch.serialization.safe_globals(_SAFE_GLOBALS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # a damaged pickle can fail in any way
        if refused := re.search(r"GLOBAL (\S+)", str(error)):
            raise InputError(
                f"{path} holds Python objects ({refused[1]}), which could run code when loaded; "
                "only tensors, numbers and text are accepted: save its state_dict alone"
            ) from error
        raise damaged(path, error) from error


def is_intact(path: Path) -> bool:
    """Whether every record of a checkpoint (a zip archive since torch 1.6) has its checksum."""
    try:
        _check_records(path)
    except Exception:  # a damaged archive can fail in any way
        return False
    return True


def _check_records(path: Path) -> None:
    """Raise if a record of the archive is damaged; torch.load does not notice."""
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise zipfile.BadZipFile(f"checksum of its record {broken} is wrong")


def damaged(path: Path, error: Exception) -> InputError:
    """Return the error that says in one line that a file is damaged."""
    return InputError(
        f"{path} is damaged or not a weights file ({first_line(error)}; "
        f"{path.stat().st_size:,} bytes): copy or download it again, or use an earlier one"
    )


def first_line(error: Exception) -> str:
    """Return the beginning of an error's text, or its name where it has none."""
    text = str(error).partition("WeightsUnpickler error: ")[2] or str(error)  # after much advice
    return next(iter(text.strip().splitlines()), type(error).__name__)[:160]


def strip_parallel(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the `module.` of a parallel or averaged model in their names."""
    return {str(key).removeprefix("module."): value for key, value in state_dict.items()}
