"""Convert a checkpoint of this toolkit to timm's names and back, complete and checked."""

import logging
from pathlib import Path

from mmengine.logging import print_log

from mnv4_vision.core.backbones import ARCHS, get_arch, to_timm
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.catalogue import TIMM_ARCHS, find_entry
from mnv4_vision.core.weights.config_text import settings_in
from mnv4_vision.core.weights.files import WeightsFile, save
from mnv4_vision.core.weights.layout import (
    compare_with_arch,
    fitting_archs,
    is_timm,
    stated_arch,
)
from mnv4_vision.core.weights.load import open_weights
from mnv4_vision.core.weights.normalisation import mean_std_for
from mnv4_vision.core.weights.report import LoadReport

__all__ = ["convert_from_timm", "convert_to_timm"]

# Settings of `MobileNetV4` that no tensor shows: timm's name, and the default both have.
_TIMM_ARGUMENTS = {
    "bn_eps": ("bn_eps", 1e-5),
    "padding": ("pad_type", "symmetric"),
    "output_stride": ("output_stride", 32),  # in timm with features_only=True
}


def convert_to_timm(src: str | Path, dst: str | Path, arch: str | None = None) -> LoadReport:
    """Write the MobileNetV4 inside a checkpoint with timm's names.

    Settings that `timm.create_model` must be given to compute the same (`bn_eps`, ...) are
    printed and kept in the file's metadata as `timm_arguments`.

    Args:
        src: Checkpoint of a backbone, classifier, detector or segmenter (of a run with EMA the
            average is taken). Only a classifier has the layers that timm's `strict` loading needs;
            the others load with `strict=False`.
        dst: File to write, `.safetensors` or a torch checkpoint by its suffix.
        arch: Architecture; default: what the file says or its shapes leave no doubt about.

    Returns:
        The converted tensors, in this toolkit's names; `missing` are a classifier's layers.

    Raises:
        InputError: Damaged file, not a MobileNetV4 or another `arch`, in timm's names already.
    """
    file = open_weights(str(src))
    if is_timm(file.state_dict):
        raise InputError(f"{file.path} has timm's names already: use it as it is")
    arch = _decide_arch(file, arch or stated_arch(file))
    if arch not in TIMM_ARCHS:
        raise InputError(f"{file.path} is a {arch}, which timm does not have")
    state, report = compare_with_arch(file, arch)
    meta = _meta(src, arch, file.meta.get("source"))
    if arguments := _timm_arguments(file):
        meta["timm_arguments"] = arguments
    save(dst, to_timm(state, arch), meta)
    if arguments:
        text = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        message = f"{dst}: give timm.create_model {text}, or its outputs differ"
        print_log(message, logger="current", level=logging.WARNING)
    return report


def convert_from_timm(src: str | Path, dst: str | Path, arch: str | None = None) -> LoadReport:
    """Write timm's weights with this toolkit's names, `backbone.*` and `head.*`.

    Args:
        src: timm's file or folder, or a name of the catalogue.
        dst: File to write, `.safetensors` or a torch checkpoint by its suffix.
        arch: Architecture; default: what the name or the shapes leave no doubt about.

    Returns:
        The converted tensors.

    Raises:
        InputError: Damaged file, not timm's MobileNetV4 or another `arch`.
    """
    file = open_weights(str(src))
    if not is_timm(file.state_dict):
        raise InputError(f"{file.path} does not have timm's names (no conv_stem.weight)")
    entry = find_entry(str(src)) or find_entry(file.path.stem)
    arch = _decide_arch(file, arch or (entry.arch if entry else stated_arch(file)))
    state, report = compare_with_arch(file, arch)
    save(dst, state, _meta(src, arch, entry.name if entry else file.meta.get("source")))
    return report


def _timm_arguments(file: WeightsFile) -> dict[str, object]:
    """What timm's model needs beyond its name to compute what the checkpoint's config says."""
    settings = settings_in(str(file.meta.get("cfg", "")), "backbone")
    return {
        name: settings[key]
        for key, (name, default) in _TIMM_ARGUMENTS.items()
        if settings.get(key, default) != default
    }


def _decide_arch(file: WeightsFile, given: str | None) -> str:
    """Check the given architecture, or find the only one that the file's shapes fit."""
    if given is not None:
        get_arch(given)
        return given
    fitting = fitting_archs(file)
    if len(fitting) == 1:
        return fitting[0]
    found = f"fits {', '.join(fitting)}" if fitting else f"fits none of {', '.join(ARCHS)}"
    raise InputError(f"{file.path} does not say its architecture and {found}: pass --arch")


def _meta(src: str | Path, arch: str, source: object) -> dict[str, object]:
    mean, std = mean_std_for(str(src))
    return {
        "arch": arch,
        "mean": list(mean),
        "std": list(std),
        "source": str(source or Path(src).name),
    }
