"""Sizes as pipeline steps take them."""

from typing import Any

from mnv4_vision.core.errors import InputError

__all__ = ["checked_size"]


def checked_size(step: str, name: str, value: Any) -> tuple[int, int]:
    """Return `value`, the argument `name` of a pipeline step, as `(width, height)`.

    Raises:
        InputError: It is no size.
    """
    is_size = isinstance(value, list | tuple) and len(value) == 2
    if not is_size or not all(isinstance(side, int) and side > 0 for side in value):
        raise InputError(f"{step}: {name}={value!r}; it takes (width, height) in pixels")
    return tuple(value)
