"""What the log says of a validation is that validation's."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from mnv4_vision.core.engine import ValidationLogProcessor


@pytest.mark.parametrize("reserve_prefix", [False, True])
def test_losses_of_validations_are_not_averaged(reserve_prefix):
    hub = MessageHub.get_instance(f"log_processor_{reserve_prefix}")
    for value in (3.0, 1.0):
        hub.update_scalar("val/loss", value)
        hub.update_scalar("val/time", value)
        hub.update_scalar("train/loss", value)
    runner, processor = SimpleNamespace(message_hub=hub), ValidationLogProcessor(window_size=50)
    val, train = (
        processor._collect_scalars([], runner, m, reserve_prefix) for m in ("val", "train")
    )
    assert val["val/loss" if reserve_prefix else "loss"] == 1.0
    assert val["val/time" if reserve_prefix else "time"] == 2.0
    assert train["train/loss" if reserve_prefix else "loss"] == 2.0  # of the last steps
