"""Any timm network with feature maps as a backbone: MobileNetV4's competitors, and teachers."""

import re
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mnv4_vision.core.backbones.timm_tail import expansion_behind, halve_behind
from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["TimmBackbone", "import_timm", "reparameterize", "takes_output_stride", "timm_names"]

_FLAT = re.compile(r"(?<=[a-z])_(?=\d)")  # `stages_0.` of timm's feature networks is `stages.0.`


def import_timm() -> Any:
    """Import timm, an extra of this package.

    Raises:
        InputError: It is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise InputError(f"timm is needed ({error}): pip install 'mnv4_vision[timm]'") from error
    return timm


def timm_names(key: str) -> tuple[str, str]:
    """Return the names that a tensor of a `TimmBackbone` may have in timm's whole network."""
    bare = key.removeprefix("model.").removeprefix("model.")
    return bare, _FLAT.sub(".", bare, count=1)


def takes_output_stride(model_name: str, output_stride: int) -> bool:
    """Whether timm can build this network with dilation in place of its last strides."""
    try:
        with torch.device("meta"):
            _create(model_name, output_stride=output_stride)
    except InputError:
        return False
    return True


def reparameterize(model: nn.Module) -> None:
    """Join the parallel branches of every `TimmBackbone` in `model`, in place; in eval mode."""
    for backbone in [module for module in model.modules() if isinstance(module, TimmBackbone)]:
        backbone.reparameterize()


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A timm network without its classifier, with the maps counted as `MobileNetV4` counts them.

    Map i is the last one of stride 2^(i+1) that timm gives: 0 is C1 (stride 2), 4 is C5 (stride
    32). What lies in C5 is timm's choice: of MobileNetV3 it has the classifier's first convolution.

    Args:
        model_name: timm's, such as `mobilenetv3_large_100`.
        out_indices: Maps to return, rising, out of 0 to 4.
        output_stride: 32, or 16 or 8 where timm has it for this network; the weights stay the same.
        frozen_stages: -1 freezes nothing, n everything up to map n.
        norm_eval: Keep the BN statistics while training.
        drop_path_rate: Stochastic depth; it rises linearly with depth towards this rate.
        with_cp: Recompute every stage in the backward pass to save memory.
        expanded_c4: In place of C4 return its expansion in the block behind it, in front of that
            block's strided convolution: SSDLite's tap (MobileNetV3, section 6.3).
        halved_tail: Halve the channels behind C4 (the same section, and RF2 of 6.4), up to C5.
            Published weights do not fit then.
        reparameterized: Build the form of one branch (MobileOne), to load weights saved from it.
        pretrained: timm's `name.tag` or a path, loaded by `init_weights`.
        init_cfg: mmengine's, applied before `pretrained`.

    Attributes:
        out_channels: Channels of each returned map.
        strides: Stride of each returned map.

    Raises:
        InputError: timm is missing, does not know the network, or cannot build it so.
    """

    def __init__(
        self,
        model_name: str,
        *,
        out_indices: Sequence[int] = (1, 2, 3, 4),
        output_stride: int = 32,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        expanded_c4: bool = False,
        halved_tail: bool = False,
        reparameterized: bool = False,
        pretrained: str | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        levels = _levels(model_name)
        self.model_name = model_name
        self.out_indices = _checked_indices(model_name, out_indices, levels)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.pretrained = pretrained
        options = {"drop_path_rate": drop_path_rate} if drop_path_rate else {}
        if output_stride != 32:
            options["output_stride"] = output_stride
        positions = tuple(levels[i] for i in self.out_indices)
        self.model = _create(model_name, out_indices=positions, **options)
        _thin_out_first(self.model)
        if with_cp:
            self._checkpoint()
        if halved_tail:
            self._halve_tail(levels, keep_expansion=expanded_c4)
        info = self.model.feature_info
        self.out_channels, self.strides = tuple(info.channels()), tuple(info.reduction())
        self._expanded_at, self._expansion = None, None
        if expanded_c4:
            self._expand_c4(levels, with_cp)
        if reparameterized:
            self.reparameterize()
        self._frozen = _modules_up_to(self.model, frozen_stages, levels)
        for module in self._frozen:
            module.requires_grad_(False)
        self.train()

    def init_weights(self) -> None:
        """Load `pretrained`; without it the weights stay as timm drew them."""
        if self.is_init:
            return
        self._is_init = True  # mmengine would draw the layers anew, by its own rules
        if self.pretrained:
            from mnv4_vision.core.weights import load_pretrained  # weights know the backbones

            load_pretrained(self, self.pretrained)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images (B, 3, H, W) to the maps (B, C_i, H_i, W_i) of `out_indices`."""
        maps = list(self.model(x))
        if self._expanded_at is not None:
            maps[self._expanded_at], self._expansion = self._expansion, None
        return tuple(maps)

    def reparameterize(self) -> None:
        """Join the parallel branches that timm can join (MobileOne), in place; in eval mode."""
        from timm.utils import reparameterize_model  # timm is there, it made the module

        reparameterize_model(self.model, inplace=True)
        for module in self.model.modules():
            vars(module).pop("id_tensor", None)  # timm's helper, a tensor of the identity branch

    def train(self, mode: bool = True) -> "TimmBackbone":
        """Switch the mode; frozen stages, and with `norm_eval` all BN layers, stay in eval mode."""
        super().train(mode)
        still = [m for m in self.modules() if isinstance(m, _BatchNorm)] if self.norm_eval else []
        for module in [*self._frozen, *still]:
            module.eval()
        return self

    def _checkpoint(self) -> None:
        if not hasattr(self.model, "set_grad_checkpointing"):
            raise InputError(f"TimmBackbone: {self.model_name} cannot recompute: use with_cp=False")
        self.model.set_grad_checkpointing(True)

    def _halve_tail(self, levels: dict[int, int], keep_expansion: bool) -> None:
        info = self.model.feature_info.info
        try:
            halve_behind(self.model, info[levels[3]]["module"], keep_expansion=keep_expansion)
        except InputError as error:
            raise InputError(f"TimmBackbone: {self.model_name}, halved_tail: {error}") from error
        info[levels[4]]["num_chs"] //= 2

    def _expand_c4(self, levels: dict[int, int], with_cp: bool) -> None:
        if 3 not in self.out_indices or with_cp:
            raise InputError(
                "TimmBackbone: expanded_c4 needs 3, for C4, in out_indices, and with_cp=False"
            )
        c4 = self.model.feature_info.info[levels[3]]["module"]
        try:
            layer, channels = expansion_behind(self.model, c4)
        except InputError as error:
            raise InputError(f"TimmBackbone: {self.model_name}, expanded_c4: {error}") from error
        layer.register_forward_hook(self._keep_expansion)
        at = self._expanded_at = self.out_indices.index(3)
        self.out_channels = (*self.out_channels[:at], channels, *self.out_channels[at + 1 :])

    def _keep_expansion(self, _module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        self._expansion = output


def _thin_out_first(model: nn.Module) -> None:
    """Let 1x1 convolutions of RGB images (MobileOne's stem) take every second pixel by slicing.

    The result is the same. The backward of such a convolution with a stride of its own writes
    beyond its buffer on CPUs in torch 2.13, in channels-last memory, and ends the process.
    """
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for conv in convs:
        if conv.in_channels == 3 and conv.kernel_size == (1, 1):
            conv.register_forward_pre_hook(partial(_every, conv.stride[0]))
            conv.stride = (1, 1)


def _every(step: int, _module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0][..., ::step, ::step],)


@cache
def _levels(model_name: str) -> dict[int, int]:
    """Map our index of each map that the network has to timm's, the last one of its stride."""
    with torch.device("meta"):
        strides = _create(model_name).feature_info.reduction()
    levels = {2 ** (i + 1): i for i in range(5)}
    return {levels[stride]: position for position, stride in enumerate(strides) if stride in levels}


def _create(model_name: str, **options: Any) -> nn.Module:
    timm = import_timm()
    name, dot, _ = model_name.partition(".")
    if dot or not timm.is_model(name):
        hint = f" (model_name={name!r}, pretrained={model_name!r}?)" if timm.is_model(name) else ""
        raise InputError(
            f"TimmBackbone: timm {timm.__version__} has no model {model_name!r}"
            f"{hint or did_you_mean(model_name, timm.list_models())}"
        )
    try:
        return timm.create_model(model_name, features_only=True, **options)
    except Exception as error:  # each family refuses in its own way
        settings = ", ".join(f"{key}={value!r}" for key, value in options.items())
        reason = " ".join(str(error).split())
        raise InputError(
            f"TimmBackbone: timm cannot build {model_name} as a backbone"
            f"{f' with {settings}' if settings else ''}: {reason}"
        ) from error


def _checked_indices(
    model_name: str, out_indices: Sequence[int], levels: dict[int, int]
) -> tuple[int, ...]:
    indices = tuple(out_indices)
    if not indices or list(indices) != sorted(set(indices)) or not set(indices) <= set(levels):
        raise InputError(
            f"TimmBackbone: out_indices={indices} must be rising numbers out of "
            f"{', '.join(map(str, levels))}, the maps that {model_name} has (4 is C5)"
        )
    return indices


def _modules_up_to(model: nn.Module, stage: int, levels: dict[int, int]) -> list[nn.Module]:
    """Return the modules of `model` that run until the map of a stage, which contain no later one.

    timm defines modules in the order in which they run.
    """
    if stage < 0:
        return []
    if stage not in levels:
        raise InputError(
            f"TimmBackbone: frozen_stages={stage} must be -1 or one of "
            f"{', '.join(map(str, levels))}"
        )
    last = model.feature_info.info[levels[stage]]["module"]
    spellings = {last, last.replace(".", "_"), f"model.{last}"}
    names = [name for name, _ in model.named_modules()]
    found = [
        i for i, name in enumerate(names) if any(f"{name}.".startswith(f"{s}.") for s in spellings)
    ]
    end = found[-1] if found else len(names) - 1  # C5's own convolution may be folded away
    later = names[end + 1 :]
    return [
        module
        for name, module in list(model.named_modules())[: end + 1]
        if name and not any(other.startswith(f"{name}.") for other in later)
    ]
