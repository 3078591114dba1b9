"""One line for what the values of a config make fail in code that expects sensible ones."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.torch_file import first_line

__all__ = ["naming_config"]

TRACEBACK_VARIABLE = "MNV4_VISION_TRACEBACK"
# torch may be built without its distributed part.
_NETWORK = getattr(torch.distributed, "DistError", OSError)
_MACHINE = (MemoryError, OSError, torch.OutOfMemoryError, _NETWORK)


@contextmanager
def naming_config(path: object) -> Iterator[None]:
    """Turn any error into an `InputError` that names the config.

    A negative learning rate fails deep inside torch, a missing part in the first line that reads
    it; no table of checks is ever complete. With the environment variable
    `MNV4_VISION_TRACEBACK` set, the error passes as it is.

    Args:
        path: The config file.

    Raises:
        InputError: Instead of anything but an `InputError` or what is the machine's fault: memory,
            disk, the network between processes. It ends with the line of code that failed, by
            which a defect of ours can be told from a mistake in the config.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        of_machine = isinstance(error, _MACHINE) and not isinstance(error, FileNotFoundError)
        if of_machine or os.environ.get(TRACEBACK_VARIABLE):
            raise
        raise InputError(
            f"config {path} cannot be used: {type(error).__name__}: {first_line(error)} "
            f"(at {_place(error)}; {TRACEBACK_VARIABLE}=1 shows more)"
        ) from error


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"
