"""Two forms of the same work, timed in turn in one process, in all and by stage."""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

__all__ = ["clock", "print_stages", "print_totals", "run_all", "stage_clock"]


def clock(args: argparse.Namespace) -> Callable[[], float]:
    """Return the process's CPU time, which a busy machine disturbs little, or wall time."""
    return time.process_time if args.threads == 1 else time.perf_counter


def print_totals(
    forms: dict[str, Callable], items: Sequence[Any], args: argparse.Namespace, num_images: int = 1
) -> None:
    """Print the median time of each form and the median ratio of the last one to it.

    Args:
        forms: Functions of an item.
        items: Images, or batches of `num_images`.
        args: With `rounds` and `threads`.
        num_images: Images in an item.
    """
    rounds = [time_round(forms, items, clock(args), i) for i in range(args.rounds + 1)][1:]
    *_, last = forms
    for name in forms:
        median = statistics.median(times[name] for times in rounds) / num_images
        ratio = statistics.median(times[last] / times[name] for times in rounds)
        print(f"{name:12}{median * 1e3:9.2f} ms per image   {last} takes {ratio:.3f} of it")


def time_round(
    forms: dict[str, Callable], items: Sequence[Any], now: Callable[[], float], number: int
) -> dict[str, float]:
    """Return seconds per item of each form; who goes first changes from item to item."""
    seconds = dict.fromkeys(forms, 0.0)
    names = list(forms)
    for index, item in enumerate(items, number):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            start = now()
            forms[name](item)
            seconds[name] += now() - start
    return {name: total / len(items) for name, total in seconds.items()}


def print_stages(
    forms: dict[str, tuple[Callable, Sequence[tuple]]],
    stages: Sequence[str],
    items: Sequence[Any],
    args: argparse.Namespace,
) -> None:
    """Print the time of each stage, without what it calls of the other stages.

    Args:
        forms: Of each name the function of an image and its parts (see `stage_clock`).
        stages: Their order; the last one takes what no part does.
        items: The images.
        args: With `rounds` and `threads`.
    """
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(args.rounds + 1):
        rounds.append({})
        for name, (function, parts) in forms.items():
            with stage_clock(parts, stages, clock(args)) as seconds:
                run_all(function, items, seconds, clock(args))
            rounds[-1][name] = seconds
    print(f"{'stage':12}" + "".join(f"{name + ' ms':>12}" for name in forms))
    for stage in stages:
        cells = (statistics.median(r[name][stage] for r in rounds[1:]) for name in forms)
        print(f"{stage:12}" + "".join(f"{cell * 1e3 / len(items):12.2f}" for cell in cells))


def run_all(
    function: Callable, items: Sequence[Any], seconds: dict[str, float], now: Callable[[], float]
) -> None:
    """Run `function` on every item; the last stage of `seconds` gets the rest of the time."""
    start = now()
    for item in items:
        function(item)
    *_, rest = seconds
    seconds[rest] = now() - start - sum(seconds.values())


@contextmanager
def stage_clock(
    parts: Sequence[tuple[Any, str, str]], stages: Sequence[str], now: Callable[[], float]
) -> Iterator[dict[str, float]]:
    """Collect seconds per stage.

    Args:
        parts: Owner, attribute and stage of every function that counts.
        stages: Their order.
        now: The clock.
    """
    seconds = dict.fromkeys(stages, 0.0)

    def timed(function: Callable, stage: str) -> Callable:
        def call(*args, **kwargs):
            start = now()
            inside = sum(seconds.values())
            try:
                return function(*args, **kwargs)
            finally:
                seconds[stage] += now() - start - (sum(seconds.values()) - inside)

        return call

    with ExitStack() as patches:
        for owner, name, stage in parts:
            replaced = timed(getattr(owner, name), stage)
            patches.enter_context(mock.patch.object(owner, name, replaced))
        yield seconds
