"""Every config of configs/seg: classification weights load into it, and all of it is trained."""

from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mnv4_vision.core.backbones import MobileNetV4, MobileNetV4Classifier, to_timm
from mnv4_vision.core.engine import RunOptions, prepare_config
from mnv4_vision.core.weights import get_entry, load, load_pretrained
from mnv4_vision.core.weights.catalogue import TIMM_ARCHS, entries_for
from mnv4_vision.core.weights.files import WeightsFile

ROOT = Path(__file__).resolve().parents[2]
LEAVES = sorted((ROOT / "configs" / "seg").glob("*.py"))


@cache
def resolved(path: Path):
    return prepare_config(RunOptions(config=str(path)), splits=())


def is_ours(path: Path) -> bool:
    return resolved(path)[0].model.backbone.type is MobileNetV4


@pytest.fixture(params=LEAVES, ids=lambda path: path.stem)
def leaf(request):
    return request.param


@cache
def classifier_state(arch: str) -> dict[str, torch.Tensor]:
    """Return a classifier's state dict whose every tensor has a value of its own."""
    with torch.device("meta"):
        state = MobileNetV4Classifier(arch).state_dict()
    values = enumerate(state.items(), start=1)
    return {key: torch.full(meta.shape, i / len(state)) for i, (key, meta) in values}


def trained(state: dict) -> set[str]:
    return {key for key in state if not key.endswith("num_batches_tracked")}


def test_classification_weights_leave_exactly_the_classifier_unused(leaf, monkeypatch):
    if not is_ours(leaf):
        pytest.skip("another network's backbone")
    settings = dict(resolved(leaf)[0].model.backbone, pretrained=None)
    arch = settings["arch"]
    state = classifier_state(arch)
    named = to_timm(state, arch) if arch in TIMM_ARCHS else state
    monkeypatch.setattr(load, "open_weights", lambda name: WeightsFile(Path(name), named))
    with torch.device("meta"):
        backbone = MODELS.build(settings)
    backbone.to_empty(device="cpu")
    report = load_pretrained(backbone, "weights.pth", strict=True)

    own = backbone.state_dict()
    assert set(report.matched) == trained(own)
    assert set(report.unused) == {key for key in trained(state) if key.startswith("head.")}
    assert {key.split(".")[1] for key in report.unused} == expected_head(arch)
    for key in report.matched:
        assert torch.equal(own[key], state["backbone." + key]), key


def expected_head(arch: str) -> set[str]:
    """Conv-M-Seg ends in its 448 convolution, which is a part of the backbone."""
    return {"hidden", "fc"} if arch == "conv_m_seg" else {"expand", "hidden", "fc"}


def test_named_weights_are_published_for_the_arch(leaf):
    if not is_ours(leaf):
        pytest.skip("another network's backbone")
    cfg, _ = resolved(leaf)
    arch, name = cfg.model.backbone.arch, cfg.model.backbone.get("pretrained")
    if name is None:
        assert not entries_for(arch) or leaf.stem.endswith(("_scratch", "_paper"))
        return
    entry = get_entry(name)
    assert entry.arch == arch
    preprocessor = cfg.model.data_preprocessor
    for key in ("mean", "std"):
        assert preprocessor[key] == pytest.approx([255 * v for v in getattr(entry, key)])


def build(path: Path):
    """Build the model for five classes; ours with a quarter of its backbone's width, for speed."""
    original, task = resolved(path)
    cfg = original.copy()
    cfg.model.backbone.pretrained = None
    if is_ours(path):
        cfg.model.backbone.update(width_mult=0.25, drop_path_rate=0.0)
    task.use_classes(cfg, "abcde")
    task.follow_model(cfg)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def sample(height: int, width: int) -> SegDataSample:
    label = torch.arange(height * width).reshape(1, height, width) % 5
    size = (height, width)
    return SegDataSample(
        metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size),
        gt_sem_seg=PixelData(data=label),
    )


def test_every_parameter_is_trained_and_odd_sizes_are_labelled(leaf):
    if leaf.stem.endswith(("conv_m", "conv_l", "hybrid_l")):
        pytest.skip("the head is that of the smaller network; every backbone has its own tests")
    model = build(leaf)
    samples = [sample(65, 97), sample(65, 97)]
    losses = model.train().loss(torch.randn(2, 3, 65, 97), samples)
    sum(value for key, value in losses.items() if "loss" in key).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle
    with torch.inference_mode():
        (result,) = model.eval().predict(torch.randn(1, 3, 97, 131), [sample(97, 131)])
    assert result.pred_sem_seg.data.shape == (1, 97, 131)
