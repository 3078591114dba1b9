from functools import cache

import pytest
from backbone_helpers import make_lively

from mnv4_vision.core.backbones import MobileNetV4Classifier, to_timm
from mnv4_vision.core.weights.catalogue import TIMM_ARCHS


@pytest.fixture(scope="module")  # all of them weigh 0.7 GB
def lively():
    """Return a lively classifier of an architecture; built once, to be left as it is."""
    return cache(lambda arch: make_lively(MobileNetV4Classifier(arch)))


@pytest.fixture(scope="module")
def timm_pair(lively):
    """Return timm's network and ours with the same weights; built once per architecture."""
    timm = pytest.importorskip("timm")

    @cache
    def pair(arch):
        theirs = timm.create_model(TIMM_ARCHS[arch]).eval()
        theirs.load_state_dict(to_timm(lively(arch).state_dict(), arch), assign=True)
        return theirs, lively(arch)

    return pair
