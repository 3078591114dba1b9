"""Weight files on disk: read without running any code of theirs, write without half a file."""

import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mnv4_vision.core.errors import InputError, MissingFileError

__all__ = ["SUFFIXES", "WeightsFile", "find_weights_file", "read_meta", "read_weights", "save"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")

# Where a checkpoint keeps its tensors, the better ones first. With mmengine's EMAHook `state_dict`
# is the average already (`ema_state_dict` keeps the raw ones); timm keeps it in `state_dict_ema`.
_STATE_DICT_KEYS = ("state_dict_ema", "state_dict", "model_ema", "model")


@dataclass
class WeightsFile:
    """What a file holds.

    Attributes:
        path: The file.
        state_dict: Its tensors as named in the file.
        meta: What it says about itself: `arch`, `mean`, `std` (0..1), `source` for files that
            this toolkit wrote, `cfg` and more for mmengine's checkpoints.
    """

    path: Path
    state_dict: dict[str, Tensor]
    meta: dict[str, object] = field(default_factory=dict)


def find_weights_file(path: str | Path) -> Path:
    """Return the weights file at `path`; in a folder the one that is meant.

    Raises:
        MissingFileError: Nothing there.
        InputError: A folder with several candidates.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise MissingFileError(f"weights file {str(path)!r} does not exist; check the path")
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (path / name).is_file():
            return path / name
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(file.name for file in found)
        raise InputError(f"folder {str(path)!r} holds {names}: pass the path of one of them")
    raise MissingFileError(f"folder {str(path)!r} holds no weights ({', '.join(SUFFIXES)})")


def read_weights(path: str | Path) -> WeightsFile:
    """Read a weights file (or the one in a folder) to the CPU.

    Raises:
        InputError: The file is damaged, or holds no named tensors.
    """
    path = find_weights_file(path)
    if path.suffix == ".safetensors":
        with _open_safetensors(path) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return WeightsFile(path, tensors, _parse_meta(file.metadata()))
    content = _torch_load(path)
    tensors = _named_tensors(content)
    if not tensors:
        raise InputError(f"{path} holds no named tensors: it is not a checkpoint of a model")
    return WeightsFile(path, tensors, _meta_of(content))


def read_meta(path: str | Path) -> dict[str, object]:
    """Read what a weights file says about itself, without its tensors where the format allows."""
    path = find_weights_file(path)
    if path.suffix == ".safetensors":
        with _open_safetensors(path) as file:
            return _parse_meta(file.metadata())
    return _meta_of(_torch_load(path))


def save(path: str | Path, state_dict: Mapping[str, Tensor], meta: Mapping[str, object]) -> None:
    """Write weights as safetensors, or as a torch checkpoint for any other suffix.

    The file appears whole or not at all.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"cannot write {path}: its suffix should be one of {', '.join(SUFFIXES)}")
    tensors = {key: value.detach().cpu().contiguous() for key, value in state_dict.items()}
    if path.suffix == ".safetensors":
        # "pt" is what timm and transformers look for; the format knows strings only.
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()}
        metadata = {"format": "pt"} | texts
        _write_atomically(path, lambda p: safetensors.torch.save_file(tensors, p, metadata))
    else:
        content = {"meta": dict(meta), "state_dict": tensors}
        _write_atomically(path, lambda p: torch.save(content, p))


def _write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        # torch and safetensors report a full disk as RuntimeError and SafetensorError.
        raise InputError(f"cannot write {path}: {_first_line(error)}") from error


def _open_safetensors(path: Path) -> safetensors.safe_open:
    try:
        return safetensors.safe_open(path, framework="pt")
    except safetensors.SafetensorError as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parse_meta(metadata: Mapping[str, str] | None) -> dict[str, object]:
    parsed = {}
    for key, value in (metadata or {}).items():
        try:
            parsed[key] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key] = value
    return parsed


class _Ignored:
    """Stands in for what a checkpoint holds beside tensors: mmengine's training log."""

    def __new__(cls, *_: object) -> "_Ignored":
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


def _safe_globals() -> list:
    """Names that mmengine's checkpoints mention beyond torch's own, harmless ones or stand-ins.

    mmengine allows the real `builtins.getattr`, with which a file could reach any code.
    """
    ignored = ("builtins.getattr", "mmengine.logging.history_buffer.HistoryBuffer")
    core = np._core if hasattr(np, "_core") else np.core
    allowed = [(_Ignored, name) for name in ignored]
    for package in ("numpy.core", "numpy._core"):  # numpy 1 and 2, whichever wrote the file
        allowed += [
            (core.multiarray._reconstruct, f"{package}.multiarray._reconstruct"),
            (core.multiarray.scalar, f"{package}.multiarray.scalar"),
        ]
    dtypes = {type(np.dtype(code)) for code in np.typecodes["All"]}
    return [*allowed, np.ndarray, np.dtype, *dtypes]


def _torch_load(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnpicklingError as error:
        if forbidden := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise InputError(
                f"{path} holds Python objects ({forbidden[1]}), which are not loaded for safety: "
                "save its state_dict alone"
            ) from error
        raise _damaged(path, error) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is damaged or not a weights file ({_first_line(error)}): copy or download it again"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:160]


def _named_tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for key in _STATE_DICT_KEYS:
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}


def _meta_of(content: object) -> dict[str, object]:
    meta = content.get("meta") if isinstance(content, Mapping) else None
    return dict(meta) if isinstance(meta, Mapping) else {}
