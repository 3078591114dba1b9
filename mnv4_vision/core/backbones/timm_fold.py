"""The deployed form of timm's networks: parallel branches joined, batch norms folded.

timm names its layers as each family likes, so that a batch norm's convolution is found by running
the network, on the meta device.
"""

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from mnv4_vision.core.backbones.fold import fold_norm

__all__ = ["fold_timm", "is_timm_conv"]


def fold_timm(network: nn.Module) -> None:
    """Join the branches of a timm network in eval mode and fold its batch norms, in place.

    A norm is folded where it alone reads the output of a convolution, both run once, no hook looks
    at either, and the output is not returned. The activation inside of timm's norm layers stays.

    Args:
        network: timm's, whole or with `features_only`.
    """
    from timm.layers import BatchNormAct2d  # timm is there, it made the network
    from timm.utils import reparameterize_model

    with next(network.parameters()).device:  # of the convolutions that it makes
        reparameterize_model(network, inplace=True)
    for name, (conv, norm) in _pairs(network).items():
        fold_norm(conv, norm)
        rest = (norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else ()
        layers = [layer for layer in rest if not isinstance(layer, nn.Identity)]
        network.set_submodule(name, layers[0] if len(layers) == 1 else nn.Sequential(*layers))


def _pairs(network: nn.Module) -> dict[str, tuple[nn.Conv2d, _BatchNorm]]:
    """Map the name of each norm that can be folded to the convolution before it and itself."""
    uses = _Uses()
    convs: dict[int, nn.Conv2d] = {}
    read: list[tuple[_BatchNorm, int]] = []
    runs: Counter[nn.Module] = Counter()

    def after_conv(conv: nn.Conv2d, _: Any, output: Tensor) -> None:
        runs[conv] += 1
        convs[uses.watch(output)] = conv

    def before_norm(norm: _BatchNorm, inputs: tuple[Tensor]) -> None:
        runs[norm] += 1
        read.append((norm, id(inputs[0])))

    hooks = [m.register_forward_hook(after_conv) for m in network.modules() if _is_conv(m)]
    hooks += [m.register_forward_pre_hook(before_norm) for m in network.modules() if _is_norm(m)]
    try:
        with uses:
            outputs = _run_on_meta(network)
    finally:
        for hook in hooks:
            hook.remove()
    uses.count.update(id(t) for t in tree_iter(outputs) if isinstance(t, Tensor))
    names = {module: name for name, module in network.named_modules()}
    return {
        names[norm]: (convs[output], norm)
        for norm, output in read
        if output in convs
        and uses.count[output] == runs[norm] == runs[convs[output]] == 1
        and norm.num_features == convs[output].out_channels
    }


def is_timm_conv(module: nn.Module) -> bool:
    """Whether the module is timm's convolution with TensorFlow's padding, and no subclass of it."""
    kind = type(module)  # by name: timm may be missing
    return (kind.__module__, kind.__name__) == ("timm.layers.conv2d_same", "Conv2dSame")


def _is_conv(module: nn.Module) -> bool:
    # exact types: a subclass may compute with something else than its weight
    return (type(module) is nn.Conv2d or is_timm_conv(module)) and not _is_watched(module)


def _is_norm(module: nn.Module) -> bool:
    from timm.layers import BatchNormAct2d

    known = type(module) in (nn.BatchNorm2d, BatchNormAct2d)
    return known and module.running_mean is not None and not _is_watched(module)


def _is_watched(module: nn.Module) -> bool:
    """Whether something reads the module's input or output from outside, as feature hooks do."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _run_on_meta(network: nn.Module) -> Any:
    tensors = chain(network.named_parameters(), network.named_buffers())
    on_meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
    dtype = next(network.parameters()).dtype
    image = torch.empty(1, *network.pretrained_cfg["input_size"], device="meta", dtype=dtype)
    with torch.no_grad():
        return torch.func.functional_call(network, on_meta, (image,))


class _Uses(TorchDispatchMode):
    """Counts the operators that read a tensor.

    Attributes:
        count: Reads of each watched tensor, by its `id`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[int] = Counter()
        self._kept: list[Tensor] = []  # alive, so that no other tensor gets the id

    def watch(self, tensor: Tensor) -> int:
        """Keep the tensor and return its `id`."""
        self._kept.append(tensor)
        self.count[id(tensor)] = 0  # one that is gone may have had the id
        return id(tensor)

    def __torch_dispatch__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        self.count.update(id(t) for t in tree_iter((args, kwargs)) if isinstance(t, Tensor))
        return func(*args, **(kwargs or {}))
