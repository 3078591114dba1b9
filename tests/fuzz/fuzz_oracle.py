"""What every mutated input must meet: accepted, or refused in one line that names the file."""

import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError

TIME_LIMIT_S = 30  # on a machine that does other things too
MAX_LETTERS = 600


class Hang(BaseException):
    """Raised by the alarm; no `except Exception` on the way may swallow it."""


def survive(action: Callable[[], Any], root: Path, *names: str) -> str | None:
    """Run `action` on the mutated files below `root`.

    Args:
        action: What a user would do. Any exception but `InputError` fails the test.
        root: Folder whose files must be the same afterwards.
        names: Names of files of which a refusal must hold one.

    Returns:
        The line of the refusal, or None where the input was accepted.
    """
    before = snapshot(root)
    message = None
    try:
        with time_limit():
            action()
    except InputError as error:
        message = str(error)
    assert snapshot(root) == before, "files were written, changed or removed"
    if message is not None:
        assert any(name in message for name in names), f"does not name {names}: {message}"
        assert "\n" not in message, message
        assert len(message) <= MAX_LETTERS, f"{len(message)} letters: {message}"
        assert "Traceback" not in message
    return message


@contextmanager
def time_limit(seconds: float = TIME_LIMIT_S) -> Iterator[None]:
    def ring(signum: int, frame: object) -> None:
        raise Hang(f"not done after {seconds} s")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def snapshot(root: Path) -> dict[str, str]:
    """Digest every file below `root`."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
