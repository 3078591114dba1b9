"""MobileNetV5's fusion of scales: timm's module, given its weights, on maps of any size."""

import pytest
import torch
from mmengine.registry import MODELS

from mnv4_vision.core.backbones import deploy
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.necks import MultiScaleFusionNeck

timm = pytest.importorskip("timm")

WIDTHS, CHANNELS = (8, 24, 40), 48


@pytest.fixture
def reference():
    from timm.models.mobilenetv5 import MobileNetV5MultiScaleFusionAdapter

    torch.manual_seed(0)
    adapter = MobileNetV5MultiScaleFusionAdapter(list(WIDTHS[1:]), CHANNELS, output_resolution=4)
    for norm in (adapter.ffn.pw_exp.bn, adapter.ffn.pw_proj.bn, adapter.norm):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    return adapter.eval()


def maps(height, width):
    sizes = ((2 * height, 2 * width), (height, width), (height // 2, width // 2))
    return tuple(torch.randn(2, c, *size) for c, size in zip(WIDTHS, sizes, strict=True))


# kept, averaged, interpolated
@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 12), (6, 10)])
@torch.inference_mode()
def test_values_are_timms(reference, height, width):
    neck = MultiScaleFusionNeck(WIDTHS, CHANNELS, output_size=4).eval()
    neck.load_state_dict(reference.state_dict())
    inputs = maps(height, width)
    finer, fused = neck(inputs)
    assert finer is inputs[0]
    torch.testing.assert_close(fused, reference(list(inputs[1:])))


@torch.inference_mode()
def test_the_resolution_is_kept_by_default_and_three_maps_can_be_fused(reference):
    inputs = maps(6, 10)
    neck = MultiScaleFusionNeck(WIDTHS, CHANNELS).eval()
    neck.load_state_dict(reference.state_dict())
    reference.output_resolution = (6, 10)
    torch.testing.assert_close(neck(inputs)[-1], reference(list(inputs[1:])))
    (fused,) = MultiScaleFusionNeck(WIDTHS, CHANNELS, num_fused=3)(inputs)
    assert fused.shape == (2, CHANNELS, 12, 20)
    torch.testing.assert_close(fused.square().mean(1), torch.ones(2, 12, 20), atol=1e-3, rtol=0)


@torch.inference_mode()
def test_it_is_found_by_every_tasks_registry_and_deploys():
    from mmdet.registry import MODELS as DETECTION
    from mmseg.registry import MODELS as SEGMENTATION

    for registry in (MODELS, DETECTION, SEGMENTATION):
        assert registry.get("MultiScaleFusionNeck") is MultiScaleFusionNeck
    neck = MultiScaleFusionNeck(WIDTHS, CHANNELS).eval()
    inputs = maps(4, 4)
    torch.testing.assert_close(deploy(neck)(inputs)[-1], neck(inputs)[-1], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_half_precision_does_not_overflow():
    """As under autocast: the square of 1000 is beyond float16, and the norm was 0."""
    inputs = [1000 * m for m in maps(4, 4)]
    neck = MultiScaleFusionNeck(WIDTHS, CHANNELS).eval()
    expected = neck(inputs)[-1]
    with torch.autocast("cpu", torch.float16):
        found = neck(inputs)[-1]
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("num_fused", [1, 4])
def test_it_takes_two_maps_or_more(num_fused):
    with pytest.raises(InputError, match=rf"num_fused={num_fused} of 3 maps"):
        MultiScaleFusionNeck(WIDTHS, num_fused=num_fused)
