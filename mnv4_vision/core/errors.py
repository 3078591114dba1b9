"""Errors that a user can mend: the tools print their one line and exit with status 2."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["InputError", "MissingFileError", "WriteError", "did_you_mean", "join_names"]

MAX_LETTERS = 600


class InputError(ValueError):
    """Bad input: the message names the value or file, what is allowed, and the fix."""

    def __init__(self, message: str) -> None:
        # An odd value of a user's file may be of any length. A line break: a loader worker's
        # traceback, whose last line is the message.
        if len(message) > MAX_LETTERS and "\n" not in message:
            message = f"{message[: MAX_LETTERS - 200]} ... {message[-150:]}"
        super().__init__(message)


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder that should be there is not."""

    # FileNotFoundError would print an errno tuple; the message alone is what the user needs.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class WriteError(InputError, OSError):
    """A file or folder cannot be written: no permission, a full disk, a file in the way.

    Args:
        path: What was to be written.
        cause: What the system said.
    """

    def __init__(self, path: str | Path, cause: OSError) -> None:
        super().__init__(f"cannot write {path}: {cause.strerror or cause}")
        self.errno, self.strerror = cause.errno, cause.strerror

    __str__ = MissingFileError.__str__


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` for the closest allowed word, or an empty string."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def join_names(names: Sequence[str], limit: int = 3) -> str:
    """Join the first names and count the rest."""
    more = [f"and {len(names) - limit} more"] if len(names) > limit else []
    return ", ".join([*names[:limit], *more])
