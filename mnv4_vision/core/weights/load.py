"""Load published or local weights into a backbone, and say exactly what was loaded."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from torch import Tensor, nn

from mnv4_vision.core.backbones import ARCHS, Arch
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.catalogue import get_entry
from mnv4_vision.core.weights.files import WeightsFile, read_weights
from mnv4_vision.core.weights.hub import download
from mnv4_vision.core.weights.layout import PREFIX, fitting_archs, our_layout
from mnv4_vision.core.weights.normalisation import is_local
from mnv4_vision.core.weights.report import LoadReport, compare

__all__ = ["MIN_MATCHED", "load_pretrained", "open_weights"]

# Below this share of loaded tensors the file is the wrong one: training would start almost from
# scratch and end with a low score that nobody understands.
MIN_MATCHED = 0.9


def load_pretrained(module: nn.Module, name: str, strict: bool = False) -> LoadReport:
    """Load weights into a `MobileNetV4`, or into a `MobileNetV4Classifier` with its head.

    Args:
        module: The backbone or classifier.
        name: `arch.tag` or timm's tag (downloaded once), an architecture alone for its default tag,
            or a file or folder: a checkpoint of this toolkit (`backbone.` is found in it, the EMA
            average where there is one), or timm's.
        strict: Refuse anything but a complete match.

    Returns:
        What was matched, missing, unexpected, mismatched and unused.

    Raises:
        InputError: Unknown name, no network, damaged or wrong file, fewer than 90 % of the
            module's tensors matched.
    """
    file = open_weights(name)
    backbone = getattr(module, "backbone", module)
    try:
        found = our_layout(file, backbone.arch)
    except InputError as error:
        raise _misfit(file, backbone.arch, str(error)) from error
    if backbone is module:
        found = {key.removeprefix(PREFIX): value for key, value in found.items()}
    report = compare(name, str(file.path), module.state_dict(), found)
    if report.fraction < MIN_MATCHED or (strict and not report.is_clean):
        raise _misfit(file, backbone.arch, report.counts())
    matched = {key: found[key] for key in report.matched}
    _check_finite(matched, file.path)
    module.load_state_dict(matched, strict=False)
    report.log()
    return report


def open_weights(name: str) -> WeightsFile:
    """Read a name of the catalogue (downloaded the first time), a file or a folder."""
    if is_local(name):
        return read_weights(Path(name).expanduser())
    return read_weights(_download_once(get_entry(name).hub_id))


def _download_once(hub_id: str) -> Path:
    """Download on one process of each machine; the others wait and read the cache.

    All raise when one fails, so that none is left waiting.
    """
    if get_world_size() == 1:
        return download(hub_id)
    path, problem = None, None
    if int(os.environ.get("LOCAL_RANK", get_rank())) == 0:
        try:
            path = download(hub_id)
        except InputError as error:
            problem = str(error)
    for message in all_gather_object(problem):
        if message is not None:
            raise InputError(message)
    return path or download(hub_id, local_files_only=True)


def _misfit(file: WeightsFile, arch: Arch, problem: str) -> InputError:
    model = next((name for name, table in ARCHS.items() if table == arch), "a custom architecture")
    fitting = ", ".join(fitting_archs(file)) or "no known architecture"
    return InputError(
        f"{file.path} does not fit: {problem}; the model is {model}, the file fits {fitting}: "
        "check arch and pretrained"
    )


def _check_finite(state_dict: Mapping[str, Tensor], path: Path) -> None:
    for key, value in state_dict.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{path}: {key} holds NaN or infinity; its training diverged")
