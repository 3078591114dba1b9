"""Small text files of data sets: one clear line for whatever is wrong with the file itself."""

from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError

__all__ = ["read_bytes", "read_class_file", "read_text"]


def read_bytes(path: Path, what: str) -> bytes:
    """Read a file; `what` names its role in the error line.

    Raises:
        MissingFileError: There is no such file.
        InputError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"{what} {path} does not exist") from None
    except (OSError, ValueError) as error:  # ValueError: no possible file name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{what} {path} cannot be read: {reason}") from None


def read_text(path: Path, what: str) -> str:
    """Read a UTF-8 file, with or without a byte order mark; raises as `read_bytes` does."""
    try:
        return read_bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path} is not UTF-8 text (byte {error.start})") from None


def read_class_file(path: Path) -> tuple[str, ...]:
    """Read one class name a line, in label order.

    Raises:
        InputError: No name, or one twice.
    """
    names: list[str] = []
    for number, line in enumerate(read_text(path, "class file").splitlines(), 1):
        name = line.strip()
        if name in names:
            raise InputError(f"{path}:{number}: the class {name!r} is listed twice")
        if name:
            names.append(name)
    if not names:
        raise InputError(f"{path} is empty; give one class name a line")
    return tuple(names)
