"""Weight files on disk: safetensors and torch checkpoints, with what they say about themselves."""

import json
import re
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

__all__ = [
    "SUFFIXES",
    "WeightsFile",
    "best_checkpoint",
    "find_weights_file",
    "read_meta",
    "read_weights",
    "save",
    "to_safetensors",
]

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
        metrics: Of a checkpoint that a validation wrote, those of that validation.
    """

    path: Path
    state_dict: dict[str, Tensor]
    meta: dict[str, object] = field(default_factory=dict)
    metrics: dict[str, object] = field(default_factory=dict)


def best_checkpoint(work_dir: Path) -> Path | None:
    """Return the best checkpoint of a training in its work dir, the newest where there are more."""
    files = work_dir.glob("best_*.pth")
    return max(files, key=lambda file: file.stat().st_mtime_ns, default=None)


def find_weights_file(path: str | Path) -> Path:
    """Return the weights file at `path`; in a folder the one that is meant, of a work dir the best.

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
    if best := best_checkpoint(path):
        return best
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
    return WeightsFile(path, strip_parallel(tensors), _meta_of(content), _metrics_of(content))


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
    if path.suffix == ".safetensors":
        _write(path, lambda p: p.write_bytes(to_safetensors(state_dict, meta)))
    else:
        tensors = {key: value.detach().cpu().contiguous() for key, value in state_dict.items()}
        content = {"meta": dict(meta), "state_dict": tensors}
        _write(path, lambda p: torch.save(content, p))


def to_safetensors(state_dict: Mapping[str, Tensor], meta: Mapping[str, object]) -> bytes:
    """Return the bytes of a safetensors file, the same for the same tensors and metadata."""
    # Clones: the format refuses tensors that share memory, as shared layers do.
    tensors = {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, value in state_dict.items()
    }
    # "pt" is what timm and transformers look for; the format knows strings only.
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()}
    content = safetensors.torch.save(tensors, {"format": "pt"} | texts)
    # The library writes the metadata in random order: sorted, equal files have equal hashes.
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return len(text).to_bytes(8, "little") + text + content[end:]


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


def _metrics_of(content: Mapping) -> dict[str, object]:
    """Return the metrics in mmengine's message hub, if they are of these weights.

    The best checkpoint names itself. mmengine writes `epoch_N.pth` before the validation of its
    epoch, with the metrics of an older one, and again if it turns out to be the best.
    """
    hub = content.get("message_hub")
    info = hub.get("runtime_info") if isinstance(hub, Mapping) else None
    if not isinstance(info, Mapping) or not isinstance(info.get("last_metrics"), Mapping):
        return {}
    best = re.search(r"_(epoch|iter)_(\d+)\.pth$", str(info.get("best_ckpt")))
    of_these = best is not None and _meta_of(content).get(best[1]) == int(best[2])
    return dict(info["last_metrics"]) if of_these else {}
