"""Mean and standard deviation that go with a set of weights, so that no config types them."""

import json
from pathlib import Path

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.catalogue import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    find_entry,
    get_entry,
)
from mnv4_vision.core.weights.config_text import settings_in
from mnv4_vision.core.weights.files import SUFFIXES, find_weights_file, read_meta
from mnv4_vision.core.weights.timm_zoo import find_timm_weights

__all__ = ["is_local", "mean_std_for", "normalisation_for", "stated_mean_std", "timm_config"]

MeanStd = tuple[tuple[float, ...], tuple[float, ...]]


def is_local(name: str) -> bool:
    """Whether `name` means a file or folder and not an entry of the catalogue."""
    if not name or find_entry(name) is not None:
        return False
    path = Path(name)
    return path.suffix in SUFFIXES or name.startswith((".", "/", "~")) or path.exists()


def normalisation_for(name: str | None) -> dict[str, object]:
    """Return the arguments of a data preprocessor that fit the weights `name`.

    Args:
        name: As for `load_pretrained`; None for training from scratch.

    Returns:
        `mean` and `std` in RGB order and 0..255 units, and `bgr_to_rgb=True` (images are read BGR).

    Raises:
        InputError: Unknown name, damaged file.
    """
    mean, std = mean_std_for(name)
    return {
        "mean": [round(255 * value, 6) for value in mean],
        "std": [round(255 * value, 6) for value in std],
        "bgr_to_rgb": True,
    }


def mean_std_for(name: str | None) -> MeanStd:
    """Return mean and std in 0..1 for the weights `name`; ImageNet's where nothing is known."""
    if name is None:
        return IMAGENET_MEAN, IMAGENET_STD
    if not is_local(name):
        entry = find_entry(name) or find_timm_weights(name) or get_entry(name)
        return entry.mean, entry.std
    path = find_weights_file(Path(name).expanduser())
    return stated_mean_std(path) or (IMAGENET_MEAN, IMAGENET_STD)


def stated_mean_std(path: Path) -> MeanStd | None:
    """What the file says, or the config inside it, timm's `config.json` beside it, its name."""
    meta = read_meta(path)
    if "mean" in meta and "std" in meta:
        return _checked(meta["mean"], meta["std"], path)
    preprocessor = settings_in(str(meta.get("cfg", "")), "data_preprocessor")
    if "mean" in preprocessor and "std" in preprocessor:
        return _checked(preprocessor["mean"], preprocessor["std"], path, scale=255)
    settings = timm_config(path)
    if "mean" in settings and "std" in settings:
        return _checked(settings["mean"], settings["std"], path.with_name("config.json"))
    entry = find_entry(path.stem)
    return (entry.mean, entry.std) if entry else None


def timm_config(weights: Path) -> dict[str, object]:
    """What timm's `config.json` beside a weights file says; nothing if it is another program's."""
    path = weights.with_name("config.json")
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); remove or repair it") from error
    config = content.get("pretrained_cfg") if isinstance(content, dict) else None
    return config if isinstance(config, dict) else {}


def _checked(mean: object, std: object, path: Path, scale: float = 1) -> MeanStd:
    """Return mean and std divided by `scale`, which must then be three numbers in 0..1 each."""
    try:
        mean, std = (tuple(float(value) / scale for value in values) for values in (mean, std))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: mean {mean!r}, std {std!r} are not three numbers") from error
    if not (
        len(mean) == len(std) == 3 and all(0 <= m <= 1 for m in mean) and all(s > 0 for s in std)
    ):
        raise InputError(f"{path}: mean {mean} and std {std} should be three numbers in 0..1")
    return mean, std
