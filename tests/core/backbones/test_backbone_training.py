"""What training relies on: gradients, freezing, checkpointing, stochastic depth, padding."""

import pytest
import torch
import torch.nn.functional as F
from backbone_helpers import make_lively
from torch import nn

from mnv4_vision.core.backbones import ARCHS, MobileNetV4, MobileNetV4Classifier
from mnv4_vision.core.backbones.attention import MultiQueryAttention
from mnv4_vision.core.backbones.layers import Conv2dSame, DropPath


@pytest.mark.parametrize("arch", ARCHS)
def test_every_parameter_gets_a_gradient(arch):
    model = MobileNetV4Classifier(arch, num_classes=3)
    logits = model(torch.randn(2, 3, 64, 64))
    F.cross_entropy(logits, torch.tensor([0, 2])).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize("frozen_stages", [-1, 0, 2, 4])
def test_frozen_stages(frozen_stages):
    model = MobileNetV4("conv_s", frozen_stages=frozen_stages)
    parts = [model.stem, *model.stages]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()(torch.randn(2, 3, 64, 64))
    for index, part in enumerate(parts):
        frozen = index <= frozen_stages
        assert all(p.requires_grad != frozen for p in part.parameters())
    moved = {
        key for key, value in model.state_dict().items() if not torch.equal(value, before[key])
    }
    stages = {-1 if key.startswith("stem") else int(key.split(".")[1]) for key in moved}
    assert stages == set(range(frozen_stages, 4))


def test_norm_eval_survives_train():
    model = MobileNetV4("conv_s", norm_eval=True)
    assert model.train().training
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(m.training for m in norms)
    assert all(p.requires_grad for p in model.parameters())


def test_bn_settings_reach_every_norm():
    model = MobileNetV4Classifier("hybrid_m", bn_eps=1e-3, bn_momentum=0.003)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.003)}


@pytest.mark.parametrize("arch", ["conv_s", "hybrid_m"])
def test_checkpointing_changes_neither_gradients_nor_statistics(arch):
    runs = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        model = MobileNetV4(arch, out_indices=(2, 4), with_cp=with_cp, drop_path_rate=0.2).train()
        image = torch.randn(2, 3, 64, 96)
        torch.manual_seed(1)
        sum(m.square().mean() for m in model(image)).backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        runs.append((gradients, dict(model.named_buffers())))
    torch.testing.assert_close(runs[1], runs[0])


def test_checkpointing_saves_activations():
    saved = []
    for with_cp in (False, True):
        model = MobileNetV4("conv_s", with_cp=with_cp).train()
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        ):
            model(torch.randn(2, 3, 64, 64))
        saved.append(sum(sizes))
    assert saved[1] < 0.7 * saved[0]


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = DropPath(0.25)
    x = torch.ones(4000, 2, 3, 1)
    out = layer(x)
    per_sample = out.flatten(1)
    assert torch.equal(per_sample.amin(1), per_sample.amax(1))
    assert per_sample[:, 0].unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert out.mean() == pytest.approx(1, abs=0.03)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (13, 4)])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (3, 2)])
def test_same_padding(size, kernel, dilation):
    """Against TensorFlow's definition: ceil(n / s) outputs, the odd pixel at the end."""
    conv = Conv2dSame(2, 3, kernel, stride=2, dilation=dilation)
    x = torch.randn(1, 2, *size)
    pads = []
    for n in reversed(size):
        total = max((-(-n // 2) - 1) * 2 + (kernel - 1) * dilation + 1 - n, 0)
        pads += [total // 2, total - total // 2]
    expected = F.conv2d(F.pad(x, pads), conv.weight, conv.bias, 2, 0, dilation)
    assert expected.shape[2:] == tuple(-(-n // 2) for n in size)
    torch.testing.assert_close(conv(x), expected)


def test_same_padding_reaches_the_network():
    torch.manual_seed(0)
    symmetric, same = MobileNetV4("hybrid_m"), MobileNetV4("hybrid_m", padding="same")
    same.load_state_dict(symmetric.state_dict())
    image = torch.zeros(1, 3, 64, 64)
    image[..., 0, 0] = 1  # with `same`, an even image has no padding on its top left
    first = symmetric.eval().stem.conv(image), same.eval().stem.conv(image)
    assert first[0][..., 0, 0].ne(first[1][..., 0, 0]).any()
    kernel = symmetric.stem.conv.weight[:, :, 0, 0].sum(1)
    torch.testing.assert_close(first[1][0, :, 0, 0], kernel)
    torch.testing.assert_close(first[0][0, :, 0, 0], symmetric.stem.conv.weight[:, :, 1, 1].sum(1))
    strided = [m for m in same.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert len(strided) == 5 + 8  # the stem, four stages, keys and values of four attentions
    assert all(isinstance(m, Conv2dSame) for m in strided)


@pytest.mark.parametrize("kv_stride", [1, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_attention_equals_its_equation(kv_stride, memory_format):
    """Eq. 2, head by head; fused and exportable form; non-square map."""
    torch.manual_seed(0)
    layer = MultiQueryAttention(24, 3, 8, kv_stride).eval()
    layer.reset_parameters()
    x = torch.randn(2, 24, 5, 6).to(memory_format=memory_format)
    key = layer.key(x if kv_stride == 1 else layer.key_dw(x)).flatten(2)
    value = layer.value(x if kv_stride == 1 else layer.value_dw(x)).flatten(2)
    heads = []
    for query in layer.query(x).flatten(2).chunk(3, dim=1):
        weights = (query.transpose(1, 2) @ key / 8**0.5).softmax(-1)
        heads.append((weights @ value.transpose(1, 2)).transpose(1, 2))
    expected = layer.output(torch.cat(heads, 1).unflatten(2, (5, 6)))
    for fused in (True, False):
        layer.fused = fused
        out = layer(x)
        torch.testing.assert_close(out, expected)
        assert out.is_contiguous(memory_format=memory_format)


def test_lively_hybrid_depends_on_its_attention():
    """The parity tests would say little if the residual drowned the attention."""
    model = make_lively(MobileNetV4Classifier("hybrid_m", num_classes=5))
    image = torch.randn(1, 3, 64, 64)
    before = model(image)
    for module in model.modules():
        if isinstance(module, MultiQueryAttention):
            nn.init.zeros_(module.value.weight)
    assert (model(image) - before).abs().max() > 0.05 * before.abs().max()


def test_found_by_the_task_registries():
    from mmdet.registry import MODELS as DETECTION
    from mmseg.registry import MODELS as SEGMENTATION

    for registry in (DETECTION, SEGMENTATION):
        built = registry.build({"type": "MobileNetV4", "arch": "conv_s", "out_indices": (2, 3)})
        assert built.out_channels == (64, 96)


def test_pretrained_loads_once_when_weights_are_initialised(monkeypatch):
    from mnv4_vision.core import weights

    calls = []
    monkeypatch.setattr(weights, "load_pretrained", lambda *args: calls.append(args))
    model = MobileNetV4("conv_s", out_indices=(2,), pretrained="some.tag")
    assert not calls
    model.init_weights()
    model.init_weights()
    assert calls == [(model, "some.tag")]


def test_pretrained_classifier_gets_its_head_too(tmp_path):
    path = tmp_path / "weights.pth"
    source = MobileNetV4Classifier("conv_s_035", num_classes=7).state_dict()
    torch.save(source, path)
    model = MobileNetV4Classifier("conv_s_035", num_classes=7, pretrained=str(path))
    model.init_weights()
    different = [k for k, value in model.state_dict().items() if not torch.equal(value, source[k])]
    assert not different

    other = MobileNetV4Classifier("conv_s_035", num_classes=3, pretrained=str(path))
    drawn = other.head.fc.weight.clone()
    other.init_weights()
    assert torch.equal(other.head.hidden.conv.weight, source["head.hidden.conv.weight"])
    assert torch.equal(other.head.fc.weight, drawn)
