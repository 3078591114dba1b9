"""The pretrained layers between C5 and the classes: most of them serve other classes, too."""

import logging
from collections.abc import Mapping

from mmengine.logging import print_log
from torch import Tensor, nn

from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.core.weights.layout import our_layout
from mnv4_vision.core.weights.load import check_finite, open_weights

__all__ = ["load_pretrained_head"]

PREFIX = "head."


def load_pretrained_head(classifier: nn.Module, name: str) -> tuple[str, ...]:
    """Load what fits of a classifier's head; the rest, such as other classes' layer, stays drawn.

    Args:
        classifier: With `backbone` and `head`; the backbone fits the weights.
        name: As for `load_pretrained`.

    Returns:
        The loaded tensors' names in the head.
    """
    file = open_weights(name)
    state: Mapping[str, Tensor] = file.state_dict
    if isinstance(classifier.backbone, MobileNetV4):
        state = our_layout(file, classifier.backbone.arch)
    own = classifier.head.state_dict()
    found = {key: tensor for key in own if (tensor := _find(state, key)) is not None}
    fitting = {key: found[key] for key in found if found[key].shape == own[key].shape}
    check_finite(fitting, file.path)
    classifier.head.load_state_dict(fitting, strict=False)
    parameters = [key for key, _ in classifier.head.named_parameters()]
    drawn = [key for key in parameters if key not in fitting]
    text = f"pretrained {name}, head: {len(fitting)} of {len(own)} tensors match"
    anew = f"; drawn anew: {', '.join(drawn)}" if drawn else ""
    print_log(text + anew, "current", logging.INFO)
    return tuple(fitting)


def _find(state: Mapping[str, Tensor], key: str) -> Tensor | None:
    """Return a head's tensor from a checkpoint of ours, or from timm's whole network."""
    return state.get(PREFIX + key, state.get(key.removeprefix("network.")))
