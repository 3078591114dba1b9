"""Multiply-accumulates, parameters and activation memory of a network."""

import copy
import weakref
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["count_macs", "count_params", "peak_activation_bytes"]


def count_macs(module: Callable[[Tensor], object], input_size: int | Sequence[int]) -> int:
    """Count multiply-accumulates of convolutions, linear layers and attention products.

    Runs on the meta device: no data, no time, and no CPU attention kernel that the counter misses.

    Args:
        module: Network, or a function of the input that closes over meta tensors only.
        input_size: Side, (H, W), (C, H, W) or (B, C, H, W); 3 channels and batch 1 by default.

    Returns:
        MACs of the whole input.
    """
    image = torch.empty(_image_shape(input_size), device="meta")
    if isinstance(module, nn.Module):
        module = _on_meta(module)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(image)
    return counter.get_total_flops() // 2


def count_params(module: nn.Module, trainable_only: bool = False) -> int:
    """Count parameters; shared ones count once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable_only)


def peak_activation_bytes(module: nn.Module, input_size: int | Sequence[int]) -> int:
    """Return the most memory that inference holds in activations at any moment, in bytes.

    Counts the storages of the image and of every result of an operator, float32 as the network
    runs eagerly on a CPU, each until the last reference to it is gone; an in-place operator and a
    view add nothing. Parameters, buffers and what a kernel needs inside itself are not in it.
    Nothing is computed: tensors are fake CPU ones, since attention on the meta device would take
    another kernel, which keeps the whole attention matrix.

    Args:
        module: Network.
        input_size: Side, (H, W), (C, H, W) or (B, C, H, W); 3 channels and batch 1 by default.
    """
    mode = FakeTensorMode()
    with mode:
        fakes = _moved(module, lambda t: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype))
    # outside of the mode: modules may keep tensors that are neither parameter nor buffer
    fake = copy.deepcopy(module, fakes).eval()
    with mode, torch.no_grad():
        held = [*fake.parameters(), *fake.buffers()]
        with _LiveStorages(held) as live:
            fake(torch.empty(_image_shape(input_size)))
    return live.peak


class _LiveStorages(TorchDispatchMode):
    """Adds up the bytes of the storages that operators return while they are alive.

    Attributes:
        peak: Largest sum so far.
    """

    def __init__(self, ignored: Sequence[Tensor]) -> None:
        super().__init__()
        self.peak = 0
        self._now = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in ignored}

    def __torch_dispatch__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        results = func(*args, **(kwargs or {}))
        for result in tree_iter(results):
            if isinstance(result, Tensor):
                self._add(result.untyped_storage())
        return results

    def _add(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self._known:
            return
        self._known.add(address)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._remove, address, size)

    def _remove(self, address: int, size: int) -> None:
        self._known.discard(address)
        self._now -= size


def _image_shape(input_size: int | Sequence[int]) -> tuple[int, ...]:
    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    return (1, 3)[: 4 - len(size)] + size


def _on_meta(module: nn.Module) -> nn.Module:
    """Copy the structure without the data; batch norms, which count 0, let through.

    Dispatching them would take half of the time.
    """
    on_meta = copy.deepcopy(module, _moved(module, lambda tensor: tensor.to("meta"))).eval()
    for child in on_meta.modules():
        if isinstance(child, _BatchNorm):
            child.forward = _identity
    return on_meta


def _moved(module: nn.Module, move: Callable[[Tensor], Tensor]) -> dict[int, Tensor]:
    """Return `move` of every parameter and buffer, for `deepcopy` to take in their place."""
    moved: dict[int, Tensor] = {id(buffer): move(buffer) for buffer in module.buffers()}
    for parameter in module.parameters():
        moved[id(parameter)] = nn.Parameter(move(parameter), requires_grad=False)
    return moved


def _identity(x: Tensor) -> Tensor:
    return x
