"""The crop that published weights are evaluated with, so that no config types it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnv4_vision.core.weights.catalogue import find_entry
from mnv4_vision.core.weights.config_text import step_in
from mnv4_vision.core.weights.files import find_weights_file, read_meta
from mnv4_vision.core.weights.normalisation import is_local, timm_config
from mnv4_vision.core.weights.timm_zoo import find_timm_weights

__all__ = ["evaluation_crop"]


def evaluation_crop(name: str | None, size: int) -> dict[str, Any]:
    """Return `crop_pct` and `interpolation` of the weights `name`; nothing where they do not say.

    timm publishes two settings: for the size that weights were trained at, and for the larger one
    that they test best at.

    Args:
        name: As for `load_pretrained`.
        size: Side of the network's input in pixels.
    """
    if name is None:
        return {}
    if not is_local(name):
        return _of_name(name, size)
    path = Path(name).expanduser()
    return _of_file(path, size) if path.exists() else {}  # a finished run needs its start no more


def _of_name(name: str, size: int) -> dict[str, Any]:
    if (entry := find_entry(name)) is not None:
        at_test, test_crop = entry.test_input_size, entry.test_crop_pct
        crop_pct = test_crop if size >= at_test else entry.crop_pct
        return {"crop_pct": crop_pct, "interpolation": entry.interpolation}
    entry = find_timm_weights(name)
    return {} if entry is None else _of_timm(vars(entry), size)


def _of_timm(settings: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Choose between the two settings in a `pretrained_cfg` of timm."""
    at_test = settings.get("test_input_size") or settings["input_size"]
    crop_pct = settings["crop_pct"]
    if size >= at_test[-1]:
        crop_pct = settings.get("test_crop_pct") or crop_pct
    return {"crop_pct": crop_pct, "interpolation": settings["interpolation"]}


def _of_file(path: Path, size: int) -> dict[str, Any]:
    """What a published file says, or the config in it, timm's `config.json` beside it, its name."""
    path = find_weights_file(path)
    meta = read_meta(path)
    known = step_in(str(meta.get("cfg", "")), "EvalCrop") | meta
    names = ("crop_pct", "interpolation")
    if stated := {name: known[name] for name in names if known.get(name) is not None}:
        return stated
    settings = timm_config(path)
    if {"crop_pct", "input_size", "interpolation"} <= settings.keys():
        return _of_timm(settings, size)
    # Converted weights keep the name of what they were made from.
    sources = (str(meta.get("source", "")), path.stem)
    source = next((name for name in sources if find_entry(name) is not None), None)
    return {} if source is None else _of_name(source, size)
