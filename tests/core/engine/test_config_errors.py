"""What a config makes fail is one line with its name; what is not its fault passes."""

import errno

import pytest

from mnv4_vision.core.engine.config_errors import naming_config
from mnv4_vision.core.errors import InputError, MissingFileError


def fail(error):
    with naming_config("configs/a.py"):
        raise error


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "none", "b.py")])
def test_config_and_failing_line_are_named(error):
    with pytest.raises(InputError) as raised:
        fail(error)
    line = str(raised.value)
    assert line.startswith(f"config configs/a.py cannot be used: {type(error).__name__}: ")
    assert "core/engine/test_config_errors.py:13" in line


@pytest.mark.parametrize(
    "error",
    [
        InputError("bad"),
        MissingFileError("gone"),
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    ],
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as raised:
        fail(error)
    assert raised.value is error
