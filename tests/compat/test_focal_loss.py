import mmcv.ops
import pytest
import torch
import torch.nn.functional as F


def sigmoid_formula(x, target, gamma, alpha, weight):
    """Lin et al. 2017, equation 5; background has neither a positive class nor a weight."""
    target = target % (x.size(1) + 1)  # -1 is background as well as C
    positive = F.one_hot(target, x.size(1) + 1)[:, :-1].bool()
    p = x.sigmoid()
    loss = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * p.log(),
        -(1 - alpha) * p**gamma * (1 - p).log(),
    )
    return loss if weight is None else loss * F.pad(weight, (0, 1), value=1)[target][:, None]


def softmax_formula(x, target, gamma, alpha, weight):
    p = x.softmax(1)[torch.arange(len(x)), target]
    loss = -alpha * (1 - p) ** gamma * p.log()
    return loss if weight is None else loss * weight[target]


@pytest.fixture
def logits():
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
    return x.requires_grad_()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (1.5, 0.6), (0.0, 0.5)])
@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_value_and_gradient_of_the_formula(logits, kind, gamma, alpha, weighted, reduction):
    target = torch.arange(40) % 6
    if kind == "sigmoid":  # background, of mmdet and of mmcv
        target[::7], target[3::7] = 6, -1
    weight = torch.linspace(0.5, 2, 6, dtype=torch.float64) if weighted else None
    formula = sigmoid_formula if kind == "sigmoid" else softmax_formula
    operator = getattr(mmcv.ops, f"{kind}_focal_loss")
    expected = formula(logits, target, gamma, alpha, weight)
    if reduction != "none":
        expected = expected.sum() / (len(logits) if reduction == "mean" else 1)
    loss = operator(logits, target, gamma, alpha, weight, reduction)
    assert torch.allclose(loss, expected, rtol=1e-9)
    if reduction != "none" or kind == "sigmoid":  # mmcv cannot broadcast a softmax gradient
        (expected_grad,) = torch.autograd.grad(expected.sum(), logits)
        (grad,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.allclose(grad, expected_grad, rtol=1e-9, atol=1e-12)


def test_extreme_logits_stay_finite_and_exact():
    x = torch.tensor([[200.0, -200.0, 200.0, -200.0]], requires_grad=True)
    loss = mmcv.ops.sigmoid_focal_loss(x, torch.tensor([1]), 2.0, 0.25, None, "none")
    assert loss[0].tolist() == pytest.approx([150.0, 50.0, 150.0, 0.0])
    loss.sum().backward()
    assert x.grad[0].tolist() == pytest.approx([0.75, -0.25, 0.75, 0.0])


def test_ignored_rows_of_the_softmax_loss_count_nothing(logits):
    target = torch.arange(40) % 6
    target[::2] = -1
    loss = mmcv.ops.softmax_focal_loss(logits, target, 2.0, 0.25, None, "sum")
    expected = softmax_formula(logits[1::2], target[1::2], 2.0, 0.25, None).sum()
    assert loss.item() == pytest.approx(expected.item())
    (grad,) = torch.autograd.grad(loss, logits)
    assert grad[::2].abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(logits, dtype):
    x = logits.detach().to(dtype)
    target = torch.arange(40) % 7
    loss = mmcv.ops.sigmoid_focal_loss(x, target, 2.0, 0.25, None, "none")
    assert loss.dtype == dtype
    expected = sigmoid_formula(x.double(), target, 2.0, 0.25, None)
    assert torch.allclose(loss.double(), expected, rtol=torch.finfo(dtype).eps, atol=1e-6)
