import pytest

from mnv4_vision.core.errors import join_names


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c, and 1 more"),
        (("a", "b", "c", "d", "e"), "a, b, c, and 2 more"),
    ],
)
def test_names_beyond_the_limit_are_counted(names, text):
    assert join_names(names) == text
