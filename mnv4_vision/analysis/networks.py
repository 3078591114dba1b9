"""A network from its name: a MobileNetV4 classifier, one of timm, or the model of a config."""

from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mnv4_vision.core.backbones import ARCHS, MobileNetV4Classifier, deploy
from mnv4_vision.core.backbones.timm_backbone import import_timm
from mnv4_vision.core.backbones.timm_fold import fold_timm
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.core.weights.catalogue import entries_for

__all__ = ["Network", "build_network", "deployed"]

DEFAULT_SIZE = 224  # of an architecture without published weights


@dataclass(frozen=True)
class Network:
    """A network in eval mode with random weights.

    Attributes:
        name: What the user called it, of a config file its stem.
        module: Maps images (B, 3, H, W) to logits, or to the raw maps of a task model's head.
        image_size: (height, width) in pixels.
        from_timm: Whether timm made it.
    """

    name: str
    module: nn.Module
    image_size: tuple[int, int]
    from_timm: bool = False


def build_network(name: str, image_size: int | None = None, device: str = "meta") -> Network:
    """Build a network that a user named.

    Args:
        name: Key of `ARCHS` (the classifier with 1000 classes), timm's name of a network, or a
            config file of any task.
        image_size: Side in pixels; by default that of the network's default weights, or the
            config's.
        device: "meta" to count only.

    Raises:
        InputError: An unknown name, timm missing, or a config that does not resolve.
    """
    if name.endswith(".py"):
        return _of_config(name, image_size, device)
    if name in ARCHS:
        entries = entries_for(name)
        size = image_size or (entries[0].input_size if entries else DEFAULT_SIZE)
        with torch.device(device):
            module = MobileNetV4Classifier(name)
        return Network(name, module.eval(), (size, size))
    return _of_timm(name, image_size, device)


def deployed(network: Network) -> nn.Module:
    """Return the deployed form of a network, see `deploy`; timm's are folded too."""
    module = deploy(network.module)
    if network.from_timm:
        fold_timm(module)
        module = deploy(module)  # folding made new weights, in the old layout
    return module


def _of_config(path: str, image_size: int | None, device: str) -> Network:
    options = RunOptions(config=path, pretrained="none", image_size=image_size)
    cfg, _ = prepare_config(options, splits=())
    init_default_scope(cfg.default_scope)
    with torch.device(device):
        module = MODELS.build(cfg.model)
    width, height = cfg.image_size
    return Network(Path(path).stem, module.eval(), (height, width))


def _of_timm(name: str, image_size: int | None, device: str) -> Network:
    try:
        timm = import_timm()
    except InputError as error:
        hint = did_you_mean(name, ARCHS)
        raise InputError(f"unknown model {name!r}{hint}; for timm's networks: {error}") from error
    if not timm.is_model(name) or "." in name:
        raise InputError(
            f"unknown model {name!r}{_hint(name, timm.list_models())}: give one of "
            f"{', '.join(ARCHS)}, a network of timm {timm.__version__}, or a config file"
        )
    with torch.device(device):
        module = timm.create_model(name).eval()
    _, *default = module.pretrained_cfg["input_size"]
    size = (image_size, image_size) if image_size else tuple(default)
    return Network(name, module, size, from_timm=True)


def _hint(name: str, known: list[str]) -> str:
    network = name.partition(".")[0]
    if network != name and (network in known or network in ARCHS):
        return f" (time and size do not depend on the weights: {network!r}?)"
    return did_you_mean(name, [*ARCHS, *known])
