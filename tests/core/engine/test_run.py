"""What our runner changes: schedulers too short to end."""

import pytest

from mnv4_vision.core.engine.run import _shorter_than_a_step


@pytest.mark.parametrize(
    ("end", "steps", "left_out"),
    [(1, 50, False), (1, 2, False), (1, 1, True), (0.4, 3, True), (0.4, 2, True), (0.4, 5, False)],
)
def test_warm_up_that_would_stay_at_its_start_is_left_out(end, steps, left_out):
    """`LinearLR` reaches its end after `end - begin - 1` steps: with one step, never."""
    warm_up = dict(type="LinearLR", begin=0, end=end, by_epoch=True, convert_to_iter_based=True)
    assert _shorter_than_a_step(warm_up, steps) is left_out


def test_schedulers_by_iteration_stay():
    assert not _shorter_than_a_step(dict(type="LinearLR", begin=0, end=1), 3)
