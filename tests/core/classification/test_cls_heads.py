"""timm's networks as classifiers: backbone and head are timm's whole network, to the logits."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS

from mnv4_vision.core.backbones.timm_backbone import timm_names
from mnv4_vision.core.classification import Classifier, TimmHead, fit_head
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.measure import count_params

timm = pytest.importorskip("timm")

ZOO = (
    "mobilenetv1_100",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "tf_mobilenetv3_large_minimal_100",
    "mobilenet_edgetpu_100",
    "mobilenet_edgetpu_v2_m",
    "mobileone_s0",
    "mobileone_s1",
    "mobileone_s2",
    "mobileone_s3",
    "mobileone_s4",
    "mobilenetv5_base",
    "efficientnet_b0",
)


def config(name, **head):
    """Return the config of a classifier of a timm network, as the configs of `cls` get it."""
    model = ConfigDict(
        type="Classifier",
        backbone=dict(type="TimmBackbone", model_name=name, out_indices=(4,)),
        head=dict(type="TimmHead", model_name="mobilenetv2_100", num_classes=1000) | head,
    )
    fit_head(model, channels=0)
    return model


def name_in_timm(key, names):
    """Return the one of timm's names that a tensor of the classifier has in timm's network."""
    part, _, rest = key.partition(".")
    rest = rest.removeprefix("network.")
    spellings = {
        "backbone": timm_names(rest),
        "neck": (f"msfa.{rest}",),
        "head": (rest, rest.replace("fc.", "classifier.")),
    }[part]
    return next(name for name in spellings if name in names)


@pytest.mark.parametrize("name", ZOO)
def test_every_parameter_of_timms_classifier_is_there(name):
    with torch.device("meta"):
        classifier, network = MODELS.build(config(name)), timm.create_model(name)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    found = {name_in_timm(k, expected): v.shape for k, v in classifier.state_dict().items()}
    assert found == expected
    assert count_params(classifier) == count_params(network)


# one of each kind of tail
@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv1_100",
        "mobilenetv3_small_100",
        "mobilenet_edgetpu_v2_m",
        "mobileone_s0",
        "mobilenetv5_base",
        "efficientnet_b0",
    ],
)
@torch.inference_mode()
def test_logits_are_timms(name):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=7).eval()
    with torch.device("meta"):
        classifier = MODELS.build(config(name, num_classes=7)).eval()
    weights = network.state_dict()
    state = {key: weights[name_in_timm(key, weights)] for key in classifier.state_dict()}
    classifier.load_state_dict(state, assign=True)
    image = torch.rand(2, 3, 64, 64)
    expected = network(image)
    assert expected.std() > 0
    torch.testing.assert_close(classifier(image), expected)
    score = classifier(image, mode="predict")[0].pred_score
    torch.testing.assert_close(score, expected[0].softmax(0))


def test_the_head_trains_with_dropout():
    head = TimmHead("mobilenetv3_small_100", 5, drop_rate=0.5).train()
    x = torch.rand(4, 576, 2, 2)
    torch.manual_seed(0)
    first, second = head(x), head(x)
    assert first.shape == (4, 5)
    assert not torch.equal(first, second)
    head.eval()
    assert torch.equal(head(x), head(x))


def test_mobilenetv5s_classifier_is_no_timm_head():
    with pytest.raises(InputError, match="MultiScaleFusionNeck and LinearHead"):
        TimmHead("mobilenetv5_base", 10)
    model = config("mobilenetv5_base", num_classes=3, drop_rate=0.1)
    assert model.backbone.out_indices == (3, 4)
    assert model.neck.in_channels == (512, 1024)
    assert model.head == dict(type="LinearHead", in_channels=2048, num_classes=3, drop_rate=0.1)
    with torch.device("meta"):
        assert isinstance(MODELS.build(model), Classifier)
