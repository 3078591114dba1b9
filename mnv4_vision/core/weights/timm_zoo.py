"""timm's published weights of other networks than MobileNetV4: where they are, how they fit."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mnv4_vision.core.backbones.timm_backbone import import_timm, timm_names
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.catalogue import canonical

__all__ = ["default_timm_weights", "find_timm_weights", "is_timm_model", "timm_layout"]

_PREFIX = "backbone."  # of a task model's checkpoint


def is_timm_model(name: str) -> bool:
    """Whether timm, where it is installed, has a network of this name."""
    try:
        return import_timm().is_model(name)
    except InputError:
        return False


def default_timm_weights(model: str) -> str | None:
    """Return `name.tag` of timm's default weights of a network, None where there are none."""
    cfg = import_timm().get_pretrained_cfg(model)
    return f"{model}.{cfg.tag}" if cfg is not None and cfg.hf_hub_id else None


def find_timm_weights(name: str) -> Any | None:
    """Return timm's `PretrainedCfg` for `name.tag` (or a name, for its default), or None.

    Raises:
        InputError: timm knows the network and not the tag, or publishes no weights of it.
    """
    name = canonical(name)
    model, _, tag = name.partition(".")
    if not is_timm_model(model):
        return None
    timm = import_timm()
    published = timm.list_pretrained(f"{model}.*")
    cfg = timm.get_pretrained_cfg(name) if name in published or not tag else None
    if cfg is None or not cfg.hf_hub_id:
        allowed = ", ".join(published) or "none: train from scratch with pretrained=None"
        raise InputError(f"timm publishes no weights {name!r}; of {model} it has {allowed}")
    return cfg


def timm_layout(state_dict: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return a file's tensors under the names of a `TimmBackbone`; others under timm's or theirs.

    Args:
        state_dict: Of timm's whole network, of a `TimmBackbone`, or of a task model around one.
        module: The `TimmBackbone`.
    """
    found = {}
    used = set()
    for key in module.state_dict():
        name = next((n for n in _spellings(key) if n in state_dict), None)
        if name is not None:
            found[key] = state_dict[name]
            used.add(name)
    # Without their prefixes, what is left over of a deeper backbone counts as parts of its own.
    rest = {key: value for key, value in state_dict.items() if key not in used}
    return found | {timm_names(key.removeprefix(_PREFIX))[0]: v for key, v in rest.items()}


def _spellings(key: str) -> list[str]:
    return [_PREFIX + key, key, *timm_names(key)]
