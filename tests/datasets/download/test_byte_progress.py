import itertools
import re

from mnv4_vision.datasets.download import byte_progress as module
from mnv4_vision.datasets.download.byte_progress import byte_progress


def test_log_has_a_line_now_and_then_with_speed_and_time_left(monkeypatch, capsys):
    seconds = itertools.count(0, 15)  # each look at the clock is 15 s later
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(seconds)))
    with byte_progress("val.zip", 800_000_000, done=200_000_000) as advance:
        for _ in range(6):
            advance(100_000_000)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("val.zip: 800 of 800 MB, 100%")
    assert 2 <= len(lines) <= 4
    first = re.fullmatch(
        r"val.zip: (\d+) of 800 MB, \d+%, ([\d.]+) MB/s, (\d+):(\d\d) left", lines[0]
    )
    done, speed, minutes, rest = map(float, first.groups())
    assert abs((800 - done) / speed - (60 * minutes + rest)) < 2


def test_small_copies_are_silent(capsys):
    with byte_progress("small", 1000) as advance:
        advance(1000)
    assert capsys.readouterr().out == ""
