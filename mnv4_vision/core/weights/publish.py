"""Publishing: the weights of a training and what is known of them, in one file that names its hash.

What only the training needs stays behind: optimiser, schedules, logs, the weights before averaging.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch

from mnv4_vision import __version__
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import write_atomic
from mnv4_vision.core.weights.config_text import model_text, settings_in, step_in, value_in
from mnv4_vision.core.weights.files import SUFFIXES, WeightsFile, read_weights, to_safetensors
from mnv4_vision.core.weights.load import check_finite
from mnv4_vision.core.weights.normalisation import stated_mean_std
from mnv4_vision.core.weights.reparameterized import reparameterized

__all__ = ["Published", "publish"]

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Published:
    """A published file.

    Attributes:
        path: `<name>-<first 8 digits of the hash>.safetensors`, as `torch.hub` checks it.
        sha256: Hash of the file.
        size_bytes: Size of the file.
        num_parameters: Numbers in its floating-point tensors, batch norms' statistics included.
        meta: What the file says about itself, see `docs/training.md`.
    """

    path: Path
    sha256: str
    size_bytes: int
    num_parameters: int
    meta: dict[str, object]


def publish(
    src: str | Path, out: str | Path, licence: str | None = None, *, join_branches: bool = False
) -> Published:
    """Write the weights of a checkpoint of any task, with metadata, as safetensors.

    Of a training with EMA the averaged weights are taken. The same checkpoint gives the same bytes.

    Args:
        src: Checkpoint, or a work dir for its best one.
        out: Folder, or path of the file without the hash. In a folder the file is named after
            the work dir.
        licence: Licence of the weights, best as an SPDX identifier.
        join_branches: Write the form for inference of networks with parallel branches (MobileOne).

    Raises:
        InputError: No checkpoint, diverged weights, a folder that cannot be written, or a file of
            that name with other content.
    """
    file = read_weights(src)
    if join_branches:
        file = reparameterized(file)
    _check_tensors(file)
    meta = _metadata(file) | ({"licence": licence} if licence else {})
    content = to_safetensors(file.state_dict, meta)
    sha256 = hashlib.sha256(content).hexdigest()
    path = _target(file.path, out, sha256[:8])
    if path.is_file() and path.read_bytes() != content:
        raise InputError(f"{path} exists with other content: it is damaged, remove it")
    write_atomic(path, content)
    _verify(path, file, meta)
    numbers = sum(t.numel() for t in file.state_dict.values() if t.is_floating_point())
    return Published(path, sha256, len(content), numbers, meta)


def _check_tensors(file: WeightsFile) -> None:
    for key, value in file.state_dict.items():
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise InputError(f"{file.path}: {key} is not an ordinary tensor with numbers")
    check_finite(file.state_dict, file.path)


def _target(source: Path, out: str | Path, digits: str) -> Path:
    path = Path(out)
    if path.is_dir() or str(out).endswith("/"):
        of_run = (source.parent / "config.py").is_file()
        path = path / (source.absolute().parent.name if of_run else source.stem)
    elif path.suffix in SUFFIXES and path.suffix != _SUFFIX:
        raise InputError(f"cannot publish as {path}: the format is {_SUFFIX}")
    return path.with_name(f"{path.name.removesuffix(_SUFFIX)}-{digits}{_SUFFIX}")


def _metadata(file: WeightsFile) -> dict[str, object]:
    """Collect what readers need; what is published already says it all."""
    if "mnv4_vision" in file.meta:
        return {key: value for key, value in file.meta.items() if key != "format"}
    config = str(file.meta.get("cfg", ""))
    backbone = settings_in(config, "backbone")
    crop = step_in(config, "EvalCrop")
    mean_std = stated_mean_std(file.path) or ((), ())
    mean, std = ([round(value, 9) for value in values] for values in mean_std)
    meta = {
        "mnv4_vision": __version__,
        "task": _task(config),
        "arch": file.meta.get("arch", backbone.get("arch")),
        "model_name": backbone.get("model_name"),
        "dataset_meta": _classes(file),
        "mean": mean,
        "std": std,
        "image_size": value_in(config, "image_size"),
        "crop_pct": crop.get("crop_pct"),
        "interpolation": crop.get("interpolation"),
        "epoch": file.meta.get("epoch"),
        "metrics": _metrics(file),
        "cfg": model_text(config),
        "cfg_sha256": hashlib.sha256(config.encode()).hexdigest() if config else None,
        "source": str(file.meta.get("source", file.path.name)),
    }
    return {key: value for key, value in meta.items() if value not in (None, "", {}, [])}


def _task(config: str) -> str:
    """`detection` for `task=dict(type="mnv4_vision.det.DetectionTask")`."""
    kind = str(settings_in(config, "task").get("type", ""))
    return kind.rpartition(".")[2].removesuffix("Task").lower()


def _classes(file: WeightsFile) -> dict[str, list]:
    """Return the names of the classes, with their colours where there is one for each."""
    data = file.meta.get("dataset_meta")
    names = data.get("classes") if isinstance(data, dict) else None
    if not isinstance(names, list | tuple):
        return {}
    colours = data.get("palette")
    known = isinstance(colours, list | tuple) and len(colours) >= len(names)
    palette = {"palette": [list(map(int, c)) for c in colours[: len(names)]]} if known else {}
    return {"classes": list(map(str, names))} | palette


def _metrics(file: WeightsFile) -> dict[str, float]:
    """Return the metrics of these weights: in the checkpoint, or in `metrics.jsonl` beside it."""
    from mnv4_vision.core.engine.history import read_history  # the engine knows the weights

    metrics, history = dict(file.metrics), file.path.with_name("metrics.jsonl")
    if not metrics and history.is_file():
        for row in read_history(history):
            if row.get("mode") == "val" and row.get("iter") == file.meta.get("iter"):
                metrics = {k: v for k, v in row.items() if k not in ("mode", "epoch", "iter")}
    return {str(k): v for k, v in metrics.items() if isinstance(v, float) and math.isfinite(v)}


def _verify(path: Path, file: WeightsFile, meta: dict[str, object]) -> None:
    """Read the file back."""
    found = read_weights(path)
    same = found.state_dict.keys() == file.state_dict.keys() and all(
        value.dtype == found.state_dict[key].dtype and torch.equal(value, found.state_dict[key])
        for key, value in file.state_dict.items()
    )
    texts = json.loads(json.dumps(meta)) | {"format": "pt"}
    if not same or found.meta != texts:
        raise InputError(f"{path} does not hold what was written: check the disk, publish it again")
