"""Which layer of a backbone a parameter belongs to, counted from the image on."""

import torch
from torch import nn

from mnv4_vision.core.backbones.mobilenet_v4 import MobileNetV4
from mnv4_vision.core.backbones.timm_backbone import TimmBackbone, import_timm, timm_names
from mnv4_vision.core.errors import InputError

__all__ = ["layer_depths"]


def layer_depths(backbone: nn.Module, by_stage: bool = False) -> dict[str, int]:
    """Number the layers of a backbone in running order; the stem is 0.

    Args:
        backbone: `MobileNetV4`, or `TimmBackbone`, whose layers are timm's own grouping
            (`group_matcher`), in which a MobileNetV4 has the same ones.
        by_stage: A layer is a stage instead of a block.

    Returns:
        The layer of every parameter, by its name in the backbone, without gaps.

    Raises:
        InputError: The layers of this kind of backbone are not known.
    """
    if isinstance(backbone, MobileNetV4):
        return _own_depths(backbone, by_stage)
    if isinstance(backbone, TimmBackbone):
        return _timm_depths(backbone, by_stage)
    raise InputError(
        f"{type(backbone).__name__} does not say which layers it has; MobileNetV4 and TimmBackbone "
        "do: use one of them, or DecayGroupsConstructor"
    )


def _own_depths(backbone: MobileNetV4, by_stage: bool) -> dict[str, int]:
    stages = range(len(backbone.stages))
    if by_stage:
        layers = [f"stages.{stage}." for stage in stages]
    else:
        layers = [
            f"stages.{s}.{block}." for s in stages for block in range(len(backbone.stages[s]))
        ]
    layers.insert(0, "stem.")
    return {
        name: next(depth for depth, layer in enumerate(layers) if name.startswith(layer))
        for name, _ in backbone.named_parameters()
    }


def _timm_depths(backbone: TimmBackbone, by_stage: bool) -> dict[str, int]:
    timm = import_timm()
    with torch.device("meta"):
        network = timm.create_model(backbone.model_name)
    if not hasattr(network, "group_matcher"):
        raise InputError(f"timm does not say which layers {backbone.model_name} has")
    matcher = network.group_matcher(coarse=by_stage)
    known = timm.models.group_parameters(network, matcher, reverse=True)
    found = {}
    for name, _ in backbone.named_parameters():
        depth = next((known[spelling] for spelling in timm_names(name) if spelling in known), None)
        if depth is None:  # of branches that are joined already, or renamed as backbone
            raise InputError(
                f"timm does not say which layer of {backbone.model_name} has {name}: use "
                "DecayGroupsConstructor"
            )
        found[name] = depth
    order = {depth: place for place, depth in enumerate(sorted(set(found.values())))}
    return {name: order[depth] for name, depth in found.items()}
