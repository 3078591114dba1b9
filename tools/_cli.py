"""How every tool ends: 0, one line and status 2 for a mistake the user can mend, 130 for Ctrl-C.

Standard library only: `--help` must answer before anything heavy is imported. A tool is

    def main() -> int | None:
        args = build_parser().parse_args()  # --help and misspelt flags end here
        from mnv4_vision ... import ...     # heavy imports: inside, after the arguments

    if __name__ == "__main__":
        raise SystemExit(run_cli(main))
"""

import os
import select
import sys
from collections.abc import Callable

__all__ = ["run_cli"]

INPUT_ERROR_STATUS = 2  # argparse's status for a wrong command line
INTERRUPT_STATUS = 130  # 128 + SIGINT, as a shell reports it
CLOSED_PIPE_STATUS = 141  # 128 + SIGPIPE: the reader, such as `head`, has seen enough


def run_cli(main: Callable[[], int | None]) -> int:
    """Run a tool's `main` and return its exit status.

    An `InputError` becomes `error: <one line>` on stderr; any other exception is a defect of ours
    and keeps its traceback.
    """
    if hasattr(sys.stdout, "reconfigure"):  # file names may be of any encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = main() or 0
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as interrupt:
        # A training that saved its state says where, and which signal ended it.
        print(str(interrupt) or "interrupted", file=sys.stderr)
        return getattr(interrupt, "status", INTERRUPT_STATUS)
    except BrokenPipeError:
        if not _stdout_is_closed():
            raise
        return CLOSED_PIPE_STATUS
    except ModuleNotFoundError as error:
        if error.name != "mnv4_vision":
            raise
        _complain("mnv4_vision is not installed: run `pip install -e .` in the checkout")
    except PermissionError as error:
        _complain(f"{error.filename}: no permission to write or read")
    except (ValueError, OSError) as error:
        if not _is_input_error(error):
            raise
        _complain(_one_line(error))
    return INPUT_ERROR_STATUS


def _complain(message: str) -> None:
    sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr)


def _stdout_is_closed() -> bool:
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if not poll.poll(0):  # errors are always reported, here that nobody reads the pipe
        return False
    # Python flushes once more at exit and would complain then.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _is_input_error(error: Exception) -> bool:
    # Whoever raised an InputError has imported its module; importing it here would load torch.
    errors = sys.modules.get("mnv4_vision.core.errors")
    return errors is not None and isinstance(error, errors.InputError)


def _one_line(error: Exception) -> str:
    """The message without the traceback that a DataLoader worker wraps around it."""
    text = str(error).strip()
    if "Traceback (most recent call last)" in text:
        text = text.rpartition("\n")[2].partition("Error: ")[2] or text
    return " ".join(text.split())
