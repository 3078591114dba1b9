import functools

import pytest
from torch import nn

from mnv4_vision.core.engine._accepted_keys import accepted_keys


class Base:
    def __init__(self, width, depth=1):
        pass


class Forwards(Base):
    def __init__(self, own, *, flag=False, **kwargs):
        super().__init__(3, **kwargs)


class Swallows(Base):
    def __init__(self, own, **kwargs):
        super().__init__(3)


class Pops(Base):
    def __init__(self, **kwargs):
        self.old = kwargs.pop("old_name", None)
        if "other" in kwargs:
            self.other = kwargs["other"]
        super().__init__(3)


class Stores:
    def __init__(self, own, **kwargs):
        self.rest = kwargs


class HandsOn:
    def __init__(self, part_type=Base, **kwargs):
        self.part = dict(type=part_type, **kwargs)


class Mixin:
    def __init__(self, *args, mixed=0, **kwargs):
        super().__init__(*args, **kwargs)


class Mixed(Mixin, Base):
    pass


class Skips(Mixin, Base):
    def __init__(self, own, **kwargs):
        super(Mixin, self).__init__(own, **kwargs)


class Network(nn.Module):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)


def function(worker_id, *, seed=0):
    pass


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Base, {"width", "depth"}),
        (Forwards, {"own", "flag", "width", "depth"}),
        (Pops, {"old_name", "other"}),
        (Mixed, {"mixed", "width", "depth"}),
        (Network, {"width"}),
        (function, {"worker_id", "seed"}),
        (functools.partial(function, 3), {"seed"}),
    ],
)
def test_names(target, names):
    keys = accepted_keys(target)
    assert keys.names == names
    assert not keys.is_open


@pytest.mark.parametrize("target", [Stores, Swallows, Skips, max])
def test_open_where_the_source_does_not_say(target):
    assert accepted_keys(target).is_open


def test_keywords_for_a_type_named_by_a_parameter():
    keys = accepted_keys(HandsOn)
    assert keys.types_of_rest == {"part_type": Base}
    assert not keys.is_open
