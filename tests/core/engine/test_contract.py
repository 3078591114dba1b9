from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import MODELS

from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.core.engine.contract import BackboneContract, backbone_contract


def contract(**backbone) -> BackboneContract | None:
    return backbone_contract(Config(dict(model=dict(backbone=backbone))))


def test_contract_is_the_backbones_and_its_weights_are_not_read():
    found = contract(
        type=MobileNetV4,
        arch="conv_m",
        out_indices=(1, 3, 4),
        output_stride=16,
        pretrained="nowhere.pth",
    )
    assert found == BackboneContract((48, 160, 256), (4, 16, 16))


def test_backbone_with_strides_of_its_stages_says_nothing():
    @MODELS.register_module(force=True)
    class StageStrides(BaseModule):
        strides = (1, 2, 2, 2)

    assert contract(type="StageStrides") is None
