import pytest
import torch
from torch import nn

from mnv4_vision.core.measure import count_macs, count_params, peak_activation_bytes


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


def block(*layers):
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *layers, nn.Conv2d(8, 4, 1))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return x + self.conv(self.conv(x)).view(1, 3, -1).view_as(x)


# bytes of one channel on a 4 x 5 map
MAP = 4 * 4 * 5


@pytest.mark.parametrize(
    ("model", "channels"),
    [
        # the image stays; the wide map is there with its input, then with its successor
        (block(), 3 + 8 + 4),
        (block(nn.ReLU(inplace=True)), 3 + 8 + 4),
        (block(nn.ReLU()), 3 + 8 + 8),
        (block(nn.BatchNorm2d(8), nn.ReLU(inplace=True)), 3 + 8 + 8),
        (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 4, 5))), 3),
        # the image, the first convolution's map until the second one has run, the sum
        (Residual(), 3 + 3 + 3),
    ],
)
def test_peak_of_activations(model, channels):
    model.train()
    assert peak_activation_bytes(model, (4, 5)) == channels * MAP
    assert peak_activation_bytes(model.to("meta"), (1, 3, 4, 5)) == channels * MAP
    assert model.training


def test_peak_counts_the_kernel_of_a_cpu():
    """Fused attention holds queries, keys, values and the result, never the matrix."""

    class Attention(nn.Module):
        def forward(self, x):
            x = x.flatten(2).transpose(1, 2).contiguous().unsqueeze(1)
            return nn.functional.scaled_dot_product_attention(x, x, x)

    tokens, width = 1024, 32
    size = 4 * tokens * width
    peak = peak_activation_bytes(Attention(), (1, width, 32, 32))
    assert 3 * size <= peak < 3.1 * size < 4 * tokens**2
