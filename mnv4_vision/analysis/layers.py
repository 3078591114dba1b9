"""The layers of a network that multiply: convolutions, linear layers, products of activations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from mnv4_vision.core.errors import InputError

__all__ = ["Layer", "trace_layers"]


@dataclass(frozen=True)
class Layer:
    """One run of an operator that multiplies.

    Attributes:
        name: Path of the module that ran it.
        kind: "conv", "depthwise", "linear", or "matmul" of two activations.
        macs: Multiply-accumulates.
        weights: Elements of weight and bias.
        inputs: Elements of the activations that it reads.
        outputs: Elements that it writes.
    """

    name: str
    kind: str
    macs: int
    weights: int
    inputs: int
    outputs: int


def trace_layers(module: nn.Module, image_size: tuple[int, int]) -> list[Layer]:
    """Return the layers that an image runs through, in their order.

    Attention counts as two products with the matrix between them, the form that is exported.

    Args:
        module: On the meta device, in eval mode.
        image_size: (height, width) in pixels.

    Raises:
        InputError: The network does not take images of this size.
    """
    image = torch.empty(1, 3, *image_size, device="meta")
    recorder = _Recorder({_storage(parameter) for parameter in module.parameters()})
    with _named(module, recorder.path), recorder, torch.no_grad():
        try:
            module(image)
        except Exception as error:  # each network refuses in its own way
            height, width = image_size
            reason = " ".join(str(error).split()) or type(error).__name__
            kind = type(module).__name__
            raise InputError(f"{kind} cannot run on {height}x{width} px: {reason}") from error
    return recorder.layers


@contextmanager
def _named(module: nn.Module, path: list[str]) -> Iterator[None]:
    """Keep the paths of the modules that are running in `path`, the innermost last."""
    hooks = []
    for name, child in module.named_modules():
        hooks.append(child.register_forward_pre_hook(lambda *_, name=name: path.append(name)))
        hooks.append(child.register_forward_hook(lambda *_: path.pop() and None))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Recorder(TorchDispatchMode):
    """Makes a `Layer` of every operator that torch's own counter knows.

    Attributes:
        path: Paths of the modules that are running.
        layers: What has run.
    """

    def __init__(self, weights: set[int]) -> None:
        super().__init__()
        self.path: list[str] = []
        self.layers: list[Layer] = []
        self._weights = weights

    def __torch_dispatch__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        if packet not in flop_registry:
            with self:  # an operator made of others
                result = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if result is NotImplemented else result
        result = func(*args, **kwargs)
        flops = flop_registry[packet](*args, **kwargs, out_val=result)
        self._record(packet, args, kwargs, result, flops // 2)
        return result

    def _record(self, packet: object, args: tuple, kwargs: dict, result: object, macs: int) -> None:
        read = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
        weights = [t for t in read if _storage(t) in self._weights]
        outputs = [t for t in tree_iter(result) if isinstance(t, Tensor)]
        count = sum(t.numel() for t in weights)
        layer = Layer(
            name=self.path[-1] if self.path else "",
            kind=_kind(packet, args, bool(weights)),
            macs=macs,
            weights=count,
            inputs=sum(t.numel() for t in read) - count,
            outputs=sum(t.numel() for t in outputs),
        )
        self.layers.append(layer)


def _kind(packet: object, args: tuple, has_weights: bool) -> str:
    if packet is torch.ops.aten.convolution:
        return "depthwise" if args[1].shape[1] == 1 and args[8] > 1 else "conv"
    return "linear" if has_weights else "matmul"


def _storage(tensor: Tensor) -> int:
    """Identify the memory that a tensor and its views share, on the meta device too."""
    return tensor.untyped_storage()._cdata
