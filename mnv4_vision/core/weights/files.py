"""Weight files on disk: safetensors and torch checkpoints, with what they say about themselves."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.core.files import write_atomic
from mnv4_vision.core.torch_file import damaged, first_line, load_torch, strip_parallel

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
        state_dict: Its tensors as named in the file, but for the `module.` of a parallel model.
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
            return WeightsFile(path, strip_parallel(tensors), _parse_meta(file.metadata()))
    content = load_torch(path)
    tensors = _named_tensors(content)
    if not tensors:
        raise InputError(f"{path} holds no named tensors: it is not a checkpoint of a model")
    return WeightsFile(path, strip_parallel(tensors), _meta_of(content))


def read_meta(path: str | Path) -> dict[str, object]:
    """Read what a weights file says about itself, without its tensors where the format allows."""
    path = find_weights_file(path)
    if path.suffix == ".safetensors":
        with _open_safetensors(path) as file:
            return _parse_meta(file.metadata())
    return _meta_of(load_torch(path))


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
        _write(path, lambda p: safetensors.torch.save_file(tensors, p, metadata))
    else:
        content = {"meta": dict(meta), "state_dict": tensors}
        _write(path, lambda p: torch.save(content, p))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        write_atomic(path, write)
    except (safetensors.SafetensorError, RuntimeError) as error:
        # torch and safetensors report a full disk as RuntimeError and SafetensorError.
        raise InputError(f"cannot write {path}: {first_line(error)}") from error


def _open_safetensors(path: Path) -> safetensors.safe_open:
    try:
        return safetensors.safe_open(path, framework="pt")
    except safetensors.SafetensorError as error:
        raise damaged(path, error) from error
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
