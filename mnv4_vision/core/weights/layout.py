"""Whose names a file's tensors have, and of which architecture they are."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mnv4_vision.core.backbones import ARCHS, Arch, MobileNetV4Classifier, from_timm, to_timm
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.config_text import settings_in
from mnv4_vision.core.weights.files import WeightsFile
from mnv4_vision.core.weights.report import LoadReport, compare

__all__ = [
    "PREFIX",
    "compare_with_arch",
    "fitting_archs",
    "is_timm",
    "our_layout",
    "stated_arch",
]

PREFIX = "backbone."

# What a classifier of this toolkit and timm's model have in common; necks and other heads are not.
_MODEL_PARTS = (PREFIX, "head.expand.", "head.hidden.", "head.fc.")


def is_timm(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether the names are timm's."""
    return "conv_stem.weight" in state_dict


def our_layout(file: WeightsFile, arch: str | Arch) -> dict[str, Tensor]:
    """Return a file's tensors as this toolkit names them in a model: `backbone.*`, `head.*`.

    Raises:
        InputError: timm's weights of another architecture.
    """
    state = file.state_dict
    if is_timm(state):
        return from_timm(state, arch, PREFIX)
    if any(key.startswith(PREFIX) for key in state):
        return state
    return {PREFIX + key: value for key, value in state.items()}


def compare_with_arch(file: WeightsFile, arch: str) -> tuple[dict[str, Tensor], LoadReport]:
    """Take backbone and classifier out of a file and compare them with the architecture's.

    Returns:
        The tensors and the comparison; a file without a classifier has `head.*` as missing.

    Raises:
        InputError: The backbone is not completely this architecture's.
    """
    try:
        state = our_layout(file, arch)
        found = {key: value for key, value in state.items() if key.startswith(_MODEL_PARTS)}
        to_timm(found, arch)  # checks the names, long before a model is built for the shapes
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    num_classes = len(found["head.fc.weight"]) if "head.fc.weight" in found else 0
    with torch.device("meta"):
        expected = MobileNetV4Classifier(arch, num_classes).state_dict()
    report = compare(arch, str(file.path), expected, found)
    missing = tuple(key for key in report.missing if key.startswith(PREFIX))
    if wrong := missing + report.mismatched + report.unexpected:
        raise InputError(
            f"{file.path} is not a complete {arch}: {len(wrong)} of {len(expected)} tensors "
            f"differ, such as {wrong[0]}"
        )
    return found, report


def stated_arch(file: WeightsFile) -> str | None:
    """The architecture that a file names, itself or in the config inside it."""
    config = settings_in(str(file.meta.get("cfg", "")), "backbone")
    arch = file.meta.get("arch", config.get("arch"))
    return arch if isinstance(arch, str) and arch in ARCHS else None


def fitting_archs(file: WeightsFile) -> list[str]:
    """The architectures that a file's shapes fit; anti-aliased ones have their plain twin's."""

    def fits(arch: str) -> bool:
        try:
            compare_with_arch(file, arch)
        except InputError:
            return False
        return True

    return list(filter(fits, ARCHS))
