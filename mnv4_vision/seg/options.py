"""Parts of a segmentation recipe that a config or a flag turns on by one key."""

from collections.abc import Callable
from typing import Any

from mmengine.config import Config, ConfigDict
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS, TASK_UTILS
from mmseg.structures.sampler import OHEMPixelSampler
from torch import Tensor

from mnv4_vision.core.engine.contract import backbone_contract
from mnv4_vision.core.errors import InputError

__all__ = ["OPTIONS", "AuxiliaryHead", "HardPixelSampler", "apply_options"]

C4 = 3  # position of the map at stride 16 among MobileNetV4's


@TASK_UTILS.register_module()
class HardPixelSampler(OHEMPixelSampler):
    """mmseg's online hard example mining with its minimum as a share of the pixels.

    mmseg's `min_kept=100000` is a fifth of its 512 x 1024 crops and all of a small one, where it
    does nothing. The loss stays the mean over all pixels, hence falls with the pixels left out.

    Args:
        context: The head.
        thresh: Pixels whose class has less probability than this are hard.
        min_share: At least this share of the pixels is kept, the hardest ones.
    """

    def __init__(self, context: Any, thresh: float = 0.7, min_share: float = 0.2) -> None:
        for name, value in (("thresh", thresh), ("min_share", min_share)):
            if not 0 < value <= 1:
                raise InputError(f"HardPixelSampler: {name}={value}, allowed are 0 to 1")
        super().__init__(context, thresh)
        self.min_share = min_share

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor:
        """Return the weights `(B, H, W)`, 0 or 1, for logits `(B, C, H, W)` and labels."""
        self.min_kept = max(2, round(self.min_share * seg_label[0].numel()))
        return super().sample(seg_logit, seg_label)


@MODELS.register_module()
class AuxiliaryHead(FCNHead):
    """mmseg's `FCNHead` on C4 with its usual settings: a loss of weight 0.4, in training only.

    Args:
        in_channels: Channels of C4; they follow from the backbone.
        num_classes: That of the decode head.
        channels: Width.
        **kwargs: See mmseg's `FCNHead`.
    """

    def __init__(
        self, in_channels: int = 0, num_classes: int = 0, channels: int = 128, **kwargs: Any
    ) -> None:
        kwargs = dict(num_convs=1, concat_input=False, norm_cfg=dict(type="BN")) | kwargs
        kwargs.setdefault(
            "loss_decode", dict(type=CrossEntropyLoss, loss_weight=0.4, avg_non_ignore=True)
        )
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, channels=channels, **kwargs
        )


def _balance_classes(cfg: Config, option: ConfigDict) -> None:
    cfg.train_dataloader.sampler = option


def _weigh_classes(cfg: Config, option: ConfigDict) -> None:
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), option]


def _mine_hard_pixels(cfg: Config, option: ConfigDict) -> None:
    cfg.model.decode_head.sampler = option


def _add_auxiliary(cfg: Config, option: ConfigDict) -> None:
    """Put a head on C4; the decode head goes on reading the maps that it read before."""
    backbone, head = cfg.model.backbone, cfg.model.decode_head
    if cfg.model.get("auxiliary_head"):
        raise InputError("auxiliary: the model has an auxiliary_head already")
    if backbone_contract(cfg) is None or "out_indices" not in backbone:
        raise InputError(
            "auxiliary: the backbone does not say which of its maps is C4: set "
            "model.auxiliary_head instead"
        )
    read = list(backbone.out_indices)
    maps = sorted({*read, C4})
    if isinstance(head.in_channels, int):
        head.in_index = maps.index(read[head.get("in_index", -1)])
    else:
        places = head.get("in_index", range(len(read)))
        head.in_index = [maps.index(read[place]) for place in places]
    backbone.out_indices = tuple(maps)
    cfg.model.auxiliary_head = ConfigDict(
        option, in_channels=0, in_index=maps.index(C4), num_classes=head.num_classes
    )


# Key of a config: the class that `True` stands for, and what sets it.
OPTIONS: dict[str, tuple[str, Callable[[Config, ConfigDict], None]]] = {
    "class_balance": ("ClassBalancedSampler", _balance_classes),
    "class_weights": ("ClassWeightsHook", _weigh_classes),
    "ohem": ("HardPixelSampler", _mine_hard_pixels),
    "auxiliary": ("AuxiliaryHead", _add_auxiliary),
}


def apply_options(cfg: Config) -> None:
    """Take the keys of `OPTIONS` out of `cfg` and set what they ask for.

    Raises:
        InputError: A value that is neither True, False nor a dict with a type.
    """
    for key, (name, apply) in OPTIONS.items():
        option = cfg.pop(key, None)
        if option is True:
            option = ConfigDict(type=f"mnv4_vision.seg.{name}")
        if not option:
            continue
        if not isinstance(option, dict) or "type" not in option:
            raise InputError(f"{key}={option!r}; it takes True, False or a dict with a type")
        apply(cfg, option)
