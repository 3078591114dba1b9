"""Output stride 16 and 8: the weights and values of stride 32, and what attention costs."""

import pytest
import torch
from backbone_helpers import images, make_lively

from mnv4_vision.core.backbones import ARCHS, MobileNetV4
from mnv4_vision.core.measure import count_macs, peak_activation_bytes

HYBRID = ("hybrid_m", "hybrid_l")


def shapes(model):
    return {key: value.shape for key, value in model.state_dict().items()}


def on_meta(arch, **options):
    with torch.device("meta"):
        return MobileNetV4(arch, out_indices=(4,), **options)


@pytest.mark.parametrize("arch", ARCHS)
def test_weights_are_those_of_stride_32(arch):
    expected = shapes(on_meta(arch))
    for output_stride in (16, 8):
        assert shapes(on_meta(arch, output_stride=output_stride, kv_reduction=True)) == expected


@pytest.fixture(scope="module", params=["conv_s", "conv_m_seg", *HYBRID])
def stride_32(request):
    """Return the arch, a lively network of stride 32, an image of odd size and its C4 and C5."""
    model = make_lively(MobileNetV4(request.param, out_indices=(3, 4)))
    image = images(1, 129, 161)
    with torch.inference_mode():
        return request.param, model, image, model(image)


@pytest.mark.parametrize("output_stride", [16, 8])
@torch.inference_mode()
def test_pixels_of_stride_32_keep_their_values(stride_32, output_stride):
    """The atrous algorithm, through attention too: every n-th pixel is what it was."""
    arch, model, image, expected = stride_32
    options = {"output_stride": output_stride, "kv_reduction": True}
    dilated = MobileNetV4(arch, out_indices=(3, 4), **options).eval()
    dilated.load_state_dict(model.state_dict())
    for mine, coarse, stride in zip(dilated(image), expected, (16, 32), strict=True):
        step = stride // output_stride or 1
        torch.testing.assert_close(mine[..., ::step, ::step], coarse, rtol=1e-3, atol=1e-3)


def test_attention_to_all_pixels_is_another_network():
    """Else the option would be of no use, and the test above would say little."""
    model = make_lively(MobileNetV4("hybrid_m", out_indices=(4,)))
    image, outputs = images(1, 128, 160), []
    for kv_reduction in (True, False):
        options = {"output_stride": 16, "kv_reduction": kv_reduction}
        dilated = MobileNetV4("hybrid_m", out_indices=(4,), **options).eval()
        dilated.load_state_dict(model.state_dict())
        with torch.inference_mode():
            outputs.append(dilated(image)[0])
    difference = (outputs[0] - outputs[1]).square().mean().sqrt()
    assert difference > 0.05 * outputs[0].std()


@pytest.mark.parametrize(("output_stride", "ratio"), [(16, 4), (8, 16)])
@pytest.mark.parametrize("arch", HYBRID)
def test_reduction_keeps_the_number_of_keys(arch, output_stride, ratio):
    """Each query costs what it costs at stride 32; without it, that grows like the map."""
    at_32 = attention_macs(arch, 32)
    assert attention_macs(arch, output_stride, kv_reduction=True) == ratio * at_32
    assert attention_macs(arch, output_stride) == ratio**2 * at_32


def attention_macs(arch, output_stride, **options):
    """Count queries times keys, and values, of an attention on C5 for 256 x 256 pixels."""
    block = on_meta(arch, output_stride=output_stride, **options).stages[3][-2]
    layer, side = block.attention, 256 // output_stride
    width, channels = layer.num_heads * layer.head_dim, layer.output.out_channels
    keys = (side // layer.key.stride[0]) ** 2
    projections = 2 * side**2 * channels * width + 2 * keys * channels * layer.head_dim
    return count_macs(layer, (channels, side, side)) - projections


def test_attention_keeps_no_matrix():
    """With contiguous maps, too, where PyTorch would take a kernel that keeps it."""
    model = on_meta("hybrid_m", output_stride=8)
    num_heads, tokens = 4, 64 * 64
    assert peak_activation_bytes(model, 512) < 4 * num_heads * tokens**2 / 3
