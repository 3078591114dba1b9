"""`--backbone`: a config's backbone is replaced and everything that follows from it follows."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

from mnv4_vision.core.engine import RunOptions, prepare_config, swap
from mnv4_vision.core.errors import InputError

pytest.importorskip("timm")

ROOT = Path(__file__).resolve().parents[3]
RETINA, SSDLITE = "configs/det/retina_mnv4_conv_m.py", "configs/det/ssdlite_mnv4_conv_s.py"
DEEPLAB, LRASPP = "configs/seg/deeplabv3plus_mnv4_conv_s.py", "configs/seg/lraspp_mnv4_conv_s.py"


def swapped(config, backbone, **options):
    return prepare_config(
        RunOptions(config=str(ROOT / config), backbone=backbone, **options), splits=()
    )[0]


def test_neck_weights_and_normalisation_follow():
    cfg = swapped(RETINA, "mobilenetv1_100")
    assert cfg.model.neck.in_channels == [256, 512, 1024]
    assert cfg.model.backbone.pretrained == "mobilenetv1_100.ra4_e3600_r224_in1k"
    assert cfg.model.data_preprocessor.mean == [127.5] * 3
    assert cfg.model.backbone.drop_path_rate == 0.1
    assert cfg.work_dir == "work_dirs/retina_mnv4_conv_m_mobilenetv1_100"


def test_another_mobilenetv4_by_either_name():
    for name in ("hybrid_m", "mobilenetv4_hybrid_medium"):
        cfg = swapped(DEEPLAB, name)
        assert cfg.model.backbone.arch == "hybrid_m"
        assert cfg.model.backbone.pretrained.startswith("hybrid_m.")
        assert cfg.model.backbone.kv_reduction
        assert cfg.model.decode_head.in_channels == [48, 256]


def test_weights_are_those_that_are_asked_for():
    assert swapped(RETINA, "mobilenet_edgetpu_100").model.backbone.pretrained is None
    scratch = "configs/det/ssdlite_mnv4_conv_s_scratch.py"
    assert swapped(scratch, "mobilenetv2_100").model.backbone.pretrained is None
    tag = "mobilenetv3_large_100.miil_in21k_ft_in1k"
    cfg = swapped(scratch, tag)
    assert (cfg.model.backbone.model_name, cfg.model.backbone.pretrained) == (tag[:21], tag)
    assert swapped(RETINA, tag, pretrained="none").model.backbone.pretrained is None


def test_customs_stay_where_the_network_can_have_them(monkeypatch):
    """MobileNetV3's expansion tap and halved tail."""
    said = []
    monkeypatch.setattr(swap, "print_log", lambda text, *_: said.append(text))
    config = "configs/det/ssdlite_mobilenetv3_large_reduced.py"
    kept = swapped(config, "mobilenetv3_small_100").model.backbone
    assert kept.expanded_c4
    assert kept.halved_tail
    for other in ("mobileone_s0", "conv_s"):
        assert not {"expanded_c4", "halved_tail"} & set(swapped(config, other).model.backbone)
        assert said.pop().startswith(f"{other} is without expanded_c4 and halved_tail")


def test_output_stride_stays_32_where_timm_has_no_other():
    cfg = swapped(DEEPLAB, "mobilenetv5_base")
    assert "output_stride" not in cfg.model.backbone
    assert cfg.model.decode_head.output_stride == 32
    assert swapped(DEEPLAB, "mobilenetv2_100").model.decode_head.output_stride == 16


@pytest.mark.parametrize("config", [RETINA, SSDLITE, DEEPLAB, LRASPP])
@pytest.mark.parametrize("backbone", ["mobilenetv3_small_100", "mobileone_s0"])
def test_a_swapped_model_runs(config, backbone):
    cfg = swapped(config, backbone, pretrained="none")
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    with torch.inference_mode():
        outputs = model(torch.rand(1, 3, 128, 128), mode="tensor")
    maps = outputs if isinstance(outputs, tuple) else (outputs,)
    assert all(m.isfinite().all() for group in maps for m in group)


@pytest.mark.parametrize(
    ("config", "backbone", "message"),
    [
        (RETINA, "mobilnetv2_100", r"--backbone mobilnetv2_100: neither"),
        (RETINA, "mobilenetv2_100.no_such", r"mobilenetv2_100\.ra_in1k"),
        ("configs/det/ssdlite_mobilenetv2_scratch.py", "conv_s", r"MobileNetV2, whose maps"),
    ],
)
def test_what_cannot_be_swapped_is_one_line(config, backbone, message):
    with pytest.raises(InputError, match=message):
        swapped(config, backbone)
