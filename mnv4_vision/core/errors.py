"""Errors that a user can mend: the tools print their one line and exit with status 2."""

import difflib
from collections.abc import Iterable

__all__ = ["InputError", "MissingFileError", "did_you_mean"]


class InputError(ValueError):
    """Bad input: the message names the value or file, what is allowed, and the fix."""


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder that should be there is not."""

    # FileNotFoundError would print an errno tuple; the message alone is what the user needs.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` for the closest allowed word, or an empty string."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
