"""Numbers in the log are those of their moment."""

from typing import Any

from mmengine.registry import LOG_PROCESSORS
from mmengine.runner import LogProcessor, Runner

__all__ = ["ValidationLogProcessor"]


@LOG_PROCESSORS.register_module()
class ValidationLogProcessor(LogProcessor):
    """mmengine's, without averaging the loss of a validation with those of earlier validations."""

    def _collect_scalars(
        self, custom_cfg: list[dict], runner: Runner, mode: str, reserve_prefix: bool = False
    ) -> dict[str, Any]:
        tag = super()._collect_scalars(custom_cfg, runner, mode, reserve_prefix)
        if mode != "train":
            for key in tag:
                name = key if reserve_prefix else f"{mode}/{key}"
                if "loss" in key and name in runner.message_hub.log_scalars:
                    tag[key] = runner.message_hub.log_scalars[name].current()
        return tag
