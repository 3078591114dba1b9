"""Progress of a long copy: a bar in a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["byte_progress"]

_SILENT_BELOW = 50e6  # bytes; takes a second or so
_LINE_EVERY_S = 20


@contextmanager
def byte_progress(label: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show how far a copy of `total` bytes is, with speed and time left; give it each step's bytes.

    Args:
        label: What is copied.
        total: 0 where unknown.
        done: Bytes that an earlier call copied.
    """
    if total < _SILENT_BELOW:
        yield lambda size: None
    elif sys.stdout.isatty():
        with _bar() as bar:
            task = bar.add_task(label, total=total, completed=done)
            yield lambda size: bar.advance(task, size)
    else:
        lines = _Lines(label, total, done)
        yield lines.advance
        lines.show()


def _bar():
    from rich import progress as rich

    return rich.Progress(
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
        rich.TimeRemainingColumn(),
    )


class _Lines:
    def __init__(self, label: str, total: int, done: int) -> None:
        self.label, self.total, self.done, self.first = label, total, done, done
        self.start = self.shown = time.monotonic()

    def advance(self, size: int) -> None:
        self.done += size
        if time.monotonic() - self.shown >= _LINE_EVERY_S:
            self.show()

    def show(self) -> None:
        self.shown = time.monotonic()
        speed = (self.done - self.first) / max(self.shown - self.start, 1e-6)
        line = f"{self.label}: {self.done / 1e6:,.0f} of {self.total / 1e6:,.0f} MB"
        line += f", {self.done / self.total:.0%}, {speed / 1e6:.1f} MB/s"
        left = self.total - self.done
        if left > 0 and speed > 0:
            minutes, seconds = divmod(round(left / speed), 60)
            line += f", {minutes}:{seconds:02d} left"
        print(line, flush=True)
