"""Weights of a timm backbone with parallel branches (MobileOne) in the form of one branch."""

import inspect
from dataclasses import replace

from mnv4_vision.core.backbones import TimmBackbone
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.config_text import settings_in, with_setting
from mnv4_vision.core.weights.files import WeightsFile

__all__ = ["reparameterized"]

PREFIX = "backbone."
_OTHERS = ("self", "pretrained", "init_cfg", "reparameterized", "frozen_stages", "with_cp")


def reparameterized(file: WeightsFile) -> WeightsFile:
    """Return a checkpoint's weights with the backbone's branches joined; outputs stay the same.

    The config in it gets `reparameterized=True`, with which `TimmBackbone` takes them.

    Raises:
        InputError: The checkpoint does not say which network it is of, or that has one branch only.
    """
    config = str(file.meta.get("cfg", ""))
    settings = settings_in(config, "backbone")
    if "model_name" not in settings:
        raise InputError(
            f"{file.path}: its config names no timm network (TimmBackbone), and only those have "
            "branches to join"
        )
    known = inspect.signature(TimmBackbone.__init__).parameters.keys() - set(_OTHERS)
    backbone = TimmBackbone(**{key: value for key, value in settings.items() if key in known})
    own = {k.removeprefix(PREFIX): v for k, v in file.state_dict.items() if k.startswith(PREFIX)}
    names = backbone.state_dict().keys()
    try:
        backbone.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(f"{file.path} is no {settings['model_name']}: {error}") from error
    backbone.eval().reparameterize()
    joined = backbone.state_dict()
    if joined.keys() == names:
        raise InputError(f"{file.path}: {settings['model_name']} has no branches to join")
    others = {k: v for k, v in file.state_dict.items() if not k.startswith(PREFIX)}
    cfg = with_setting(config, "backbone", "reparameterized", True)
    state = {PREFIX + key: value for key, value in joined.items()} | others
    return replace(file, state_dict=state, meta=file.meta | {"cfg": cfg})
