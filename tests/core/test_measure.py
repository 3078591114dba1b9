import pytest
import torch
from torch import nn

from mnv4_vision.core.measure import count_macs, count_params


def test_convolution_and_linear():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(64, 5)
    )
    # nothing may change: neither mode nor device nor statistics
    model.train()[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    macs = 4 * 2 * 8 * 27 + 64 * 5
    assert count_macs(model, (8, 4)) == macs
    assert count_macs(model, (3, 8, 4)) == macs
    assert count_macs(model, (2, 3, 8, 4)) == 2 * macs
    assert (model.training, model[1].training) == (True, False)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert count_params(model) == 8 * 27 + 8 + 16 + 64 * 5 + 5


@pytest.mark.parametrize("size", [4, (4, 4)])
def test_attention_and_any_callable(size):
    """Fused attention with equal heads counts 0 on the CPU backend; here it must not."""
    query = torch.empty(1, 2, 10, 8, device="meta")
    attend = nn.functional.scaled_dot_product_attention
    assert count_macs(lambda _: attend(query, query, query), size) == 2 * 2 * 10 * 10 * 8


def test_shared_layers_count_per_use_and_stay_as_they_are():
    first, second = (nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(2))
    second[0] = first[0]
    model = nn.Sequential(first, second)
    assert count_macs(model, 4) == 2 * 9 * 16
    assert model[1][0].weight.device.type == "cpu"
    assert model[0][0].weight is model[1][0].weight


def test_shared_and_frozen_parameters():
    layer = nn.Linear(4, 4)
    assert count_params(nn.ModuleList([layer, layer])) == 20
    layer.bias.requires_grad_(False)
    assert count_params(layer, trainable_only=True) == 16
