"""The MobileNetV4 paper's performance model (section 3, appendix F).

    ModelTime = sum over layers of max(MACs / PeakMACs, (WeightBytes + ActivationBytes) / PeakBW)

Only the ridge point PeakMACs / PeakBW, in MACs a byte, decides who is faster, so that a time is
given here in the MACs that the hardware could have done meanwhile: at ridge point 0 it is the MACs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from mnv4_vision.analysis.layers import Layer, trace_layers
from mnv4_vision.analysis.networks import Network, deployed
from mnv4_vision.core.measure import count_params

__all__ = ["Profile", "Stage", "layer_time", "memory_share", "model_time", "profile", "stage_of"]


@dataclass(frozen=True)
class Stage:
    """A part of a network.

    Attributes:
        name: The beginning that its modules' paths share.
        params: Parameters of the network as it is trained, batch norms included.
        layers: Its layers in the deployed form.
    """

    name: str
    params: int
    layers: tuple[Layer, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image."""
        return sum(layer.macs for layer in self.layers)


@dataclass(frozen=True)
class Profile:
    """What the model knows of a network, in its deployed form.

    Attributes:
        name: Its name.
        image_size: (height, width) in pixels.
        params: Parameters of the deployed form; what layers share counts once.
        stages: Its parts, in the order of their definition.
    """

    name: str
    image_size: tuple[int, int]
    params: int
    stages: tuple[Stage, ...]

    @property
    def layers(self) -> list[Layer]:
        """All layers."""
        return [layer for stage in self.stages for layer in stage.layers]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image."""
        return sum(stage.macs for stage in self.stages)


def profile(network: Network) -> Profile:
    """Take a network on the meta device apart: batch norms folded, branches joined."""
    module = deployed(network)
    layers = trace_layers(module, network.image_size)
    params = _params_of_stages(network.module)
    names = dict.fromkeys([*params, *(stage_of(layer.name) for layer in layers)])
    stages = tuple(
        Stage(
            name,
            params.get(name, 0),
            tuple(layer for layer in layers if stage_of(layer.name) == name),
        )
        for name in names
    )
    return Profile(network.name, network.image_size, count_params(module), stages)


def stage_of(path: str) -> str:
    """Return the part of a network that a module or a parameter belongs to.

    That is the first name of its path, with the number behind it and, of a head, the layer.
    """
    for wrapper in ("backbone.", "model."):
        path = path.removeprefix(wrapper)
    first, *rest = path.split(".")
    numbered = rest and (rest[0].isdigit() or first == "head")
    return f"{first}.{rest[0]}" if numbered else first


def layer_time(layer: Layer, ridge_point: float, bytes_per_element: float = 1) -> float:
    """Return the time of a layer in MACs: the larger one of its computation and its traffic."""
    return max(layer.macs, ridge_point * layer_bytes(layer, bytes_per_element))


def layer_bytes(layer: Layer, bytes_per_element: float = 1) -> float:
    """Return what a layer moves: weights, and the activations that it reads and writes."""
    return bytes_per_element * (layer.weights + layer.inputs + layer.outputs)


def model_time(layers: Iterable[Layer], ridge_point: float, bytes_per_element: float = 1) -> float:
    """Return the time of some layers in MACs."""
    return sum(layer_time(layer, ridge_point, bytes_per_element) for layer in layers)


def memory_share(
    layers: Sequence[Layer], ridge_point: float, bytes_per_element: float = 1
) -> float:
    """Return the share of the time that is spent in layers whose traffic takes the longer."""
    bound = [
        layer
        for layer in layers
        if ridge_point * layer_bytes(layer, bytes_per_element) > layer.macs
    ]
    total = model_time(layers, ridge_point, bytes_per_element)
    return model_time(bound, ridge_point, bytes_per_element) / total if total else 0.0


def _params_of_stages(module: nn.Module) -> dict[str, int]:
    params: dict[str, int] = {}
    for path, parameter in module.named_parameters():
        stage = stage_of(path)
        params[stage] = params.get(stage, 0) + parameter.numel()
    return params
