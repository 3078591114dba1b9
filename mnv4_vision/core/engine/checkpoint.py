"""Loading checkpoints that mmengine wrote, without running code from them and without silence.

mmengine's own loader falls back to unrestricted pickle, and only warns about keys that differ.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from mnv4_vision.core.errors import InputError, MissingFileError, join_names
from mnv4_vision.core.parallel import unwrapped
from mnv4_vision.core.torch_file import load_torch, strip_parallel
from mnv4_vision.core.weights.files import best_checkpoint, read_weights

__all__ = ["find_checkpoint", "load_checkpoint_checked", "read_checkpoint"]


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint file to the CPU with restricted unpickling.

    Args:
        path: mmengine checkpoint, a bare state dict, or a published safetensors file.

    Returns:
        At least `state_dict` (without the `module.` that data parallelism adds) and `meta`.

    Raises:
        MissingFileError: there is no such file.
        InputError: damaged, not a checkpoint, or it holds objects other than tensors and numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"checkpoint not found: {path}{_neighbours(path)}")
    if path.suffix == ".safetensors":
        file = read_weights(path)
        content = {"state_dict": file.state_dict, "meta": file.meta}
    else:
        content = load_torch(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    is_state = isinstance(state, Mapping) and any(map(torch.is_tensor, state.values()))
    if not is_state:
        raise InputError(f"{path} holds no model weights (no 'state_dict'): is it a checkpoint?")
    meta = (content.get("meta") or {}) if state is not content else {}
    _check_meta(path, meta)
    rest = content if state is not content and "state_dict" in content else {}
    return {**rest, "state_dict": strip_parallel(state), "meta": meta}


def _check_meta(path: Path, meta: Any) -> None:
    data = (meta.get("dataset_meta") or {}) if isinstance(meta, Mapping) else None
    names = data.get("classes", ()) if isinstance(data, Mapping) else None
    if not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
        raise InputError(
            f"{path}: its meta.dataset_meta.classes is no list of class names: correct or remove "
            "the metadata, or save the state_dict alone"
        )


def find_checkpoint(path: str | Path) -> Path:
    """Return `path`, or where it is a work dir its best checkpoint, else its newest.

    Raises:
        MissingFileError: no such file, or a folder without checkpoints.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    if best := best_checkpoint(path):
        return best
    files = [*path.glob("*.pth")] or [*path.glob("*.safetensors")]
    if not files:
        raise MissingFileError(f"{path} holds no checkpoint (*.pth): train first")
    return max(files, key=lambda file: file.stat().st_mtime_ns)


def load_checkpoint_checked(
    model: nn.Module,
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Load weights into a model; every parameter and buffer of it must be found.

    Args:
        model: model to fill in place; unchanged if anything is wrong.
        path: checkpoint file.
        classes: class names of the data to evaluate on; they must be the checkpoint's, in its
            order, or labels would silently mean something else.

    Returns:
        The checkpoint's `meta`, with `dataset_meta` and its `classes` where known.

    Raises:
        InputError: unreadable, of another model, or with another number of classes.
    """
    model = unwrapped(model)
    checkpoint = read_checkpoint(path)
    state, meta = checkpoint["state_dict"], checkpoint["meta"]
    own = model.state_dict()
    trained = (meta.get("dataset_meta") or {}).get("classes")
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or reshaped:
        _check_num_classes(model, path, trained)
        matched = len(own) - len(missing) - len(reshaped)
        raise InputError(
            f"checkpoint {path} is of another model: {matched} of the model's {len(own)} tensors "
            f"match, {len(missing)} are missing{_example(missing)}, {len(reshaped)} have another "
            f"shape{_shape_example(reshaped, own, state)}, {len(unexpected)} of the checkpoint's "
            f"are unexpected{_example(unexpected)}. {_advice(state, path)}"
        )
    if classes is not None and trained is not None and list(classes) != list(trained):
        raise InputError(
            f"checkpoint {path} was trained for the classes {join_names(trained)}; the data has "
            f"{join_names(classes)}{_first_difference(trained, classes)}: names and order must be "
            "the same"
        )
    if unexpected:
        print_log(
            f"{path}: {len(unexpected)} tensors have no place in the model{_example(unexpected)}",
            logger="current",
            level=logging.WARNING,
        )
    model.load_state_dict(state, strict=False)
    return meta


def _advice(state: Mapping[str, Any], path: str | Path) -> str:
    if "conv_stem.weight" not in state:
        return "Use the config it was trained with"
    return f"It has timm's names: `python tools/weights.py convert {path} OUT --to mnv4`"


def _check_num_classes(model: nn.Module, path: str | Path, trained: Sequence[str] | None) -> None:
    """Raise InputError if model and checkpoint state different numbers of classes."""
    counts = (getattr(module, "num_classes", None) for module in model.modules())
    num_classes = next((count for count in counts if isinstance(count, int)), None)
    if trained is None or num_classes is None or len(trained) == num_classes:
        return
    raise InputError(
        f"checkpoint {path} was trained for {len(trained)} classes ({join_names(trained)}) but the "
        f"model in the config has {num_classes}: use the config or --data-root of that training"
    )


def _first_difference(trained: Sequence[str], classes: Sequence[str]) -> str:
    pairs = enumerate(zip(trained, classes, strict=False))
    differ = ((i, ours, theirs) for i, (ours, theirs) in pairs if ours != theirs)
    return next((f" (class {i}: {a!r} there, {b!r} here)" for i, a, b in differ), "")


def _neighbours(path: Path) -> str:
    found = sorted(file.name for file in path.parent.glob("*.pth")) if path.parent.is_dir() else []
    if found:
        return f" ({path.parent} has {join_names(found)})"
    return f" ({path.parent} has no *.pth file)"


def _example(keys: list[str]) -> str:
    return f" (such as {keys[0]})" if keys else ""


def _shape_example(keys: list[str], own: Mapping, state: Mapping) -> str:
    if not keys:
        return ""
    key = keys[0]
    return f" (such as {key}: {tuple(state[key].shape)}, the model's is {tuple(own[key].shape)})"
