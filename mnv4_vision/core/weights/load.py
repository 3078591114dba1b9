"""Load published or local weights into a backbone, and say exactly what was loaded."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from torch import Tensor, nn

from mnv4_vision.core.backbones import ARCHS, Arch, TimmBackbone, get_arch
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.catalogue import find_entry, get_entry
from mnv4_vision.core.weights.files import WeightsFile, read_weights
from mnv4_vision.core.weights.hub import download
from mnv4_vision.core.weights.layout import PREFIX, fitting_archs, our_layout, stated_arch
from mnv4_vision.core.weights.normalisation import is_local
from mnv4_vision.core.weights.report import LoadReport, compare
from mnv4_vision.core.weights.timm_zoo import find_timm_weights, timm_layout

__all__ = ["MIN_MATCHED", "check_finite", "load_pretrained", "open_weights"]

# Below this share of loaded tensors the file is the wrong one: training would start almost from
# scratch and end with a low score that nobody understands.
MIN_MATCHED = 0.9


def load_pretrained(module: nn.Module, name: str, strict: bool = False) -> LoadReport:
    """Load weights into a `MobileNetV4`, a `MobileNetV4Classifier` with its head, a `TimmBackbone`.

    Args:
        module: The backbone or classifier.
        name: `arch.tag` or timm's tag (downloaded once), an architecture alone for its default tag,
            or a file or folder: a checkpoint of this toolkit (`backbone.` is found in it, the EMA
            average where there is one), or timm's.
        strict: Refuse anything but a complete match.

    Returns:
        What was matched, missing, unexpected, mismatched and unused.

    Raises:
        InputError: Unknown name, no network, damaged or wrong file, one that is said to be
            of another architecture, fewer than 90 % of the module's tensors matched.
    """
    file = open_weights(name)
    if isinstance(module, TimmBackbone):
        found, misfit = timm_layout(file.state_dict, module), _timm_misfit(file, module)
        return _load(module, name, file, found, strict, misfit)
    backbone = getattr(module, "backbone", module)
    _check_stated(file, name, backbone.arch)
    try:
        found = our_layout(file, backbone.arch)
    except InputError as error:
        raise _misfit(file, backbone.arch, str(error)) from error
    if backbone is module:
        found = {key.removeprefix(PREFIX): value for key, value in found.items()}
    return _load(module, name, file, found, strict, partial(_misfit, file, backbone.arch))


def _load(
    module: nn.Module,
    name: str,
    file: WeightsFile,
    found: Mapping[str, Tensor],
    strict: bool,
    misfit: Callable[[str], InputError],
) -> LoadReport:
    report = compare(name, str(file.path), module.state_dict(), found)
    if report.fraction < MIN_MATCHED or (strict and not report.is_clean):
        raise misfit(report.counts())
    matched = {key: found[key] for key in report.matched}
    check_finite(matched, file.path)
    module.load_state_dict(matched, strict=False)
    report.log()
    return report


def open_weights(name: str) -> WeightsFile:
    """Read a name of the catalogue (downloaded the first time), a file or a folder."""
    if is_local(name):
        return read_weights(Path(name).expanduser())
    cfg = None if find_entry(name) else find_timm_weights(name)
    return read_weights(_download_once(cfg.hf_hub_id if cfg else get_entry(name).hub_id))


def _download_once(hub_id: str) -> Path:
    """Download on one process of each machine; the others wait and read the cache.

    All raise when one fails, so that none is left waiting.
    """
    if get_world_size() == 1:
        return download(hub_id)
    path, problem = None, None
    if _local_rank() == 0:
        path, problem = _try_download(hub_id)
    _raise_together(problem)
    if path is None:
        path, problem = _try_download(hub_id, local_files_only=True)
    _raise_together(problem)
    return path


def _local_rank() -> int:
    # torchrun's and Slurm's (through mmengine), then Open MPI's; without either one machine.
    names = ("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK")
    return int(next((os.environ[name] for name in names if name in os.environ), get_rank()))


def _try_download(hub_id: str, **options: bool) -> tuple[Path | None, str | None]:
    try:
        return download(hub_id, **options), None
    except InputError as error:
        return None, f"rank {get_rank()}: {error}"


def _raise_together(problem: str | None) -> None:
    """Raise on every process the first problem that any of them has."""
    for message in all_gather_object(problem):
        if message is not None:
            raise InputError(message)


def _check_stated(file: WeightsFile, name: str, arch: Arch) -> None:
    """Refuse weights that are said to be of a network that computes something else.

    The shapes cannot tell: `conv_m`, `conv_aa_m` and `conv_blur_m` have the same.
    """
    entry = find_entry(name)
    stated = entry.arch if entry else stated_arch(file)
    if stated is None and (entry := find_entry(file.path.stem)):
        stated = entry.arch
    if stated is None:
        return
    for setting in ("activation", "downsample_filter"):
        own, theirs = getattr(arch, setting), getattr(get_arch(stated), setting)
        if own != theirs:
            problem = f"its weights need {setting}={theirs!r}, the model has {own!r}"
            raise _misfit(file, arch, problem, [stated])


def _misfit(
    file: WeightsFile, arch: Arch, problem: str, fitting: list[str] | None = None
) -> InputError:
    model = next((name for name, table in ARCHS.items() if table == arch), "a custom architecture")
    archs = fitting_archs(file) if fitting is None else fitting
    fits = ", ".join(archs) or "no known architecture"
    return InputError(
        f"{file.path} does not fit: {problem}; the model is {model}, the file fits {fits}: "
        "check arch and pretrained"
    )


def _timm_misfit(file: WeightsFile, module: TimmBackbone) -> Callable[[str], InputError]:
    return lambda problem: InputError(
        f"{file.path} does not fit: {problem}; the model is timm's {module.model_name}: check "
        "model_name and pretrained"
    )


def check_finite(state_dict: Mapping[str, Tensor], path: Path) -> None:
    """Raise `InputError` where a training went wrong before these weights were saved."""
    for key, value in state_dict.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{path}: {key} holds NaN or infinity; its training diverged")
