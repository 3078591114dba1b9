"""Layer-wise learning rates: fine-tuning changes the layers near the image the least."""

from numbers import Real

from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mnv4_vision.core.backbones.depth import layer_depths
from mnv4_vision.core.engine.optim import DecayGroupsConstructor
from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["LayerDecayConstructor"]

_KEYS = ("decay_rate", "decay_type")
_TYPES = ("layer_wise", "stage_wise")


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(DecayGroupsConstructor):
    """Multiply the learning rate by `decay_rate` for every layer further away from the head.

    The backbone's last layer has `decay_rate` times the learning rate, the one before it
    `decay_rate ** 2` times; neck and heads have the whole one. So fine-tune ELECTRA (arXiv
    2003.10555, appendix B), BEiT (arXiv 2106.08254; its `optim_factory.py`) and timm's
    `param_groups_layer_decay`. Weight decay is `DecayGroupsConstructor`'s.

    Its settings are the keys of mmdet's constructor, but for the number of layers, which the
    backbone knows:

        optim_wrapper = dict(
            constructor=LayerDecayConstructor,
            paramwise_cfg=dict(decay_rate=0.7, decay_type="stage_wise"),
            ...
        )

    `decay_rate` is above 0 and at most 1. A layer is a block (`decay_type="layer_wise"`, the
    default) or a stage (`"stage_wise"`), the stem is the first one. Networks differ in their
    number of blocks far more than in that of stages, 5 to 8 with the stem: a rate by stage suits
    whatever backbone a config is given.
    """

    def _learning_rate_scales(self, model: nn.Module) -> dict[str, float]:
        rate, by_stage = self._settings()
        depths = layer_depths(model.backbone, by_stage)
        count = max(depths.values()) + 1
        return {f"backbone.{name}": rate ** (count - depth) for name, depth in depths.items()}

    def _settings(self) -> tuple[float, bool]:
        """Return the rate and whether it is that of stages, checked."""
        settings = self.paramwise_cfg or {}
        for key in settings:
            if key not in _KEYS:
                raise InputError(
                    f"optim_wrapper.paramwise_cfg: LayerDecayConstructor reads {', '.join(_KEYS)}, "
                    f"not {key!r}{did_you_mean(key, _KEYS)}"
                )
        rate, kind = settings.get("decay_rate"), settings.get("decay_type", _TYPES[0])
        if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < rate <= 1:
            raise InputError(
                f"optim_wrapper.paramwise_cfg.decay_rate={rate!r} is not a number above 0 and at "
                "most 1"
            )
        if kind not in _TYPES:
            raise InputError(
                f"optim_wrapper.paramwise_cfg.decay_type={kind!r} is not {' or '.join(_TYPES)}"
            )
        if self.base_lr is None:
            raise InputError("LayerDecayConstructor needs optim_wrapper.optimizer.lr")
        return float(rate), kind == "stage_wise"
