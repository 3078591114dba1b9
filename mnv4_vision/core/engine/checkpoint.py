"""Loading checkpoints that mmengine wrote, without running code from them and without silence.

mmengine's own loader falls back to unrestricted pickle, and only warns about keys that differ.
"""

import collections
import logging
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from torch import nn

from mnv4_vision.core.errors import InputError, MissingFileError

__all__ = ["find_checkpoint", "load_checkpoint_checked", "read_checkpoint"]


def _history_method(owner: type, name: str) -> Any:
    """Stand in for the `getattr` by which a `HistoryBuffer` refers to its own methods."""
    if owner is not HistoryBuffer or name.startswith("_"):
        raise pickle.UnpicklingError("GLOBAL getattr")
    return getattr(owner, name)


# What mmengine's message hub and metadata are made of. numpy 1 wrote its two functions under
# another module name.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
SAFE_GLOBALS = [
    (_history_method, "builtins.getattr"),
    HistoryBuffer,
    collections.defaultdict,
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"},
    *((_RECONSTRUCT, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]


def read_checkpoint(path: str | Path, map_location: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint file with restricted unpickling.

    Args:
        path: mmengine checkpoint or a bare state dict.
        map_location: device of the tensors.

    Returns:
        At least `state_dict` (without the `module.` that data parallelism adds) and `meta`.

    Raises:
        MissingFileError: there is no such file.
        InputError: damaged, not a checkpoint, or it holds objects other than tensors and numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"checkpoint not found: {path}{_neighbours(path)}")
    content = _unpickle(path, map_location)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    is_state = isinstance(state, Mapping) and any(map(torch.is_tensor, state.values()))
    if not is_state:
        raise InputError(f"{path} holds no model weights (no 'state_dict'): is it a checkpoint?")
    meta = content.get("meta", {}) if state is not content else {}
    state = {re.sub(r"^module\.", "", key): value for key, value in state.items()}
    rest = content if state is not content and "state_dict" in content else {}
    return {**rest, "state_dict": state, "meta": meta}


def find_checkpoint(path: str | Path) -> Path:
    """Return `path`, or where it is a work dir its best checkpoint, else its newest.

    Raises:
        MissingFileError: no such file, or a folder without checkpoints.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    files = list(path.glob("best_*.pth")) or list(path.glob("*.pth"))
    if not files:
        raise MissingFileError(f"{path} holds no checkpoint (*.pth): train first")
    return max(files, key=lambda file: file.stat().st_mtime_ns)


def load_checkpoint_checked(
    model: nn.Module,
    path: str | Path,
    *,
    num_classes: int | None = None,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Load weights into a model; every parameter and buffer of it must be found.

    Args:
        model: model to fill in place; unchanged if anything is wrong.
        path: checkpoint file.
        num_classes: classes of the model, for the message about a class-count mismatch; by
            default the `num_classes` of its first module that has one.
        classes: class names of the data to evaluate on; they must be the checkpoint's, in its
            order, or labels would silently mean something else.

    Returns:
        The checkpoint's `meta`, with `dataset_meta` and its `classes` where known.

    Raises:
        InputError: unreadable, of another model, or with another number of classes.
    """
    checkpoint = read_checkpoint(path)
    state, meta = checkpoint["state_dict"], checkpoint["meta"]
    own = model.state_dict()
    trained = (meta.get("dataset_meta") or {}).get("classes")
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or reshaped:
        _check_num_classes(model, path, trained, num_classes)
        matched = len(own) - len(missing) - len(reshaped)
        raise InputError(
            f"checkpoint {path} is of another model: {matched} of the model's {len(own)} tensors "
            f"match, {len(missing)} are missing{_example(missing)}, {len(reshaped)} have another "
            f"shape{_shape_example(reshaped, own, state)}, {len(unexpected)} of the checkpoint's "
            f"are unexpected{_example(unexpected)}. Use the config it was trained with"
        )
    if classes is not None and trained is not None and list(classes) != list(trained):
        raise InputError(
            f"checkpoint {path} was trained for the classes {_names(trained)}; the data has "
            f"{_names(classes)}: names and order must be the same"
        )
    if unexpected:
        print_log(
            f"{path}: {len(unexpected)} tensors have no place in the model{_example(unexpected)}",
            logger="current",
            level=logging.WARNING,
        )
    model.load_state_dict(state, strict=False)
    return meta


def _unpickle(path: Path, map_location: str) -> Any:
    try:
        if zipfile.is_zipfile(path):
            _check_crc(path)
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused:
            raise InputError(
                f"checkpoint {path} holds a {refused[1]} object, which could run code when "
                "loaded; only tensors, numbers and text are accepted"
            ) from None
        reason = error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, OSError) as error:
        reason = error
    line = next(iter(str(reason).strip().splitlines()), type(reason).__name__)
    size = path.stat().st_size
    raise InputError(
        f"checkpoint {path} ({size:,} bytes) is damaged or not a checkpoint: {line:.120}. "
        "Copy or download it again, or use an earlier one"
    )


def _check_crc(path: Path) -> None:
    """Raise OSError if a record of the archive is damaged; torch.load does not notice."""
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise OSError(f"checksum of its record {broken} is wrong")


def _check_num_classes(
    model: nn.Module,
    path: str | Path,
    trained: Sequence[str] | None,
    num_classes: int | None,
) -> None:
    """Raise InputError if model and checkpoint state different numbers of classes."""
    if num_classes is None:
        counts = (getattr(module, "num_classes", None) for module in model.modules())
        num_classes = next((count for count in counts if isinstance(count, int)), None)
    if trained is None or num_classes is None or len(trained) == num_classes:
        return
    raise InputError(
        f"checkpoint {path} was trained for {len(trained)} classes ({_names(trained)}) but the "
        f"model in the config has {num_classes}: use the config or --data-root of that training"
    )


def _names(classes: Sequence[str], limit: int = 5) -> str:
    return ", ".join(map(str, classes[:limit])) + (", ..." if len(classes) > limit else "")


def _neighbours(path: Path) -> str:
    found = sorted(file.name for file in path.parent.glob("*.pth")) if path.parent.is_dir() else []
    if found:
        return f" ({path.parent} has {', '.join(found[:5])})"
    return f" ({path.parent} has no *.pth file)"


def _example(keys: list[str]) -> str:
    return f" (such as {keys[0]})" if keys else ""


def _shape_example(keys: list[str], own: Mapping, state: Mapping) -> str:
    if not keys:
        return ""
    key = keys[0]
    return f" (such as {key}: {tuple(state[key].shape)}, the model's is {tuple(own[key].shape)})"
