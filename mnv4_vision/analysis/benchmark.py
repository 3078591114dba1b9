"""A list of networks timed in all wanted forms, types and batch sizes, with what they cost."""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from mnv4_vision.analysis.accuracy import Accuracy, find_accuracy
from mnv4_vision.analysis.layers import trace_layers
from mnv4_vision.analysis.networks import build_network, deployed
from mnv4_vision.analysis.pareto import Point, pareto_front
from mnv4_vision.analysis.timing import (
    DTYPES,
    Cell,
    Timing,
    check_form,
    clock_name,
    prepare,
    time_interleaved,
)
from mnv4_vision.core.measure import count_params, peak_activation_bytes

__all__ = ["HEADER", "BenchmarkOptions", "format_row", "pareto_panels", "run_benchmark"]

HEADER = (
    "model", "px", "form", "dtype", "batch", "ms", "quartiles",
    "memory, MB", "params, M", "GMACs", "MActs", "top-1",
)  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class BenchmarkOptions:
    """What to time, and how.

    Attributes:
        names: See `build_network`.
        image_size: Side in pixels; None for each network's own.
        forms: Of `timing.FORMS`.
        dtypes: Of `timing.DTYPES`.
        batch_sizes: Images of a call.
        threads: Threads of torch.
        rounds: Rounds through all of them.
        calls: Calls of a turn.
        device: Where to run.
    """

    names: Sequence[str]
    image_size: int | None = None
    forms: Sequence[str] = ("deployed",)
    dtypes: Sequence[str] = ("fp32",)
    batch_sizes: Sequence[int] = (1,)
    threads: int = 1
    rounds: int = 15
    calls: int = 3
    device: str = "cpu"


def run_benchmark(
    options: BenchmarkOptions,
    known: Sequence[Accuracy],
    say: Callable[[str], object] = lambda text: None,
) -> list[Row]:
    """Build, count and warm up all networks, then time them in turn.

    Args:
        options: What and how.
        known: Published accuracies.
        say: Called with lines about the progress.

    Returns:
        A row for each network, form, type and batch size, in the order of the options.

    Raises:
        InputError: A name, form or device that cannot be had here; nothing is timed then.
    """
    for form in options.forms:
        check_form(form, options.device)
    counts = {name: _counts(name, options) for name in options.names}
    # Random weights make numbers next to zero, which trained ones do not, and CPUs are slow with.
    torch.set_flush_denormal(True)
    try:
        # Under no_grad, freezing would be lost.
        with _pinned(options.threads), torch.inference_mode():
            cells = _cells(options, say)
            timings = time_interleaved(
                cells,
                options.rounds,
                options.calls,
                getattr(time, clock_name(options.threads, options.device)),
                options.device,
                lambda number: say(f"round {number} of {options.rounds}"),
            )
    finally:
        torch.set_flush_denormal(False)
    rows = [
        _row(cell, timing, counts[name][cell.form == "eager"], known)
        for (name, cell), timing in zip(_named(options, cells), timings, strict=True)
    ]
    _mark_fronts(rows)
    return rows


def pareto_panels(rows: Sequence[Row]) -> dict[str, list[Point]]:
    """Return the points of each setting whose accuracy is known."""
    panels: dict[str, list[Point]] = {}
    for row in rows:
        if row["top1"] is not None:
            point = (row["model"], row["ms_median"] / row["batch"], row["top1"])
            panels.setdefault(_setting(row), []).append(point)
    return panels


def format_row(row: Row) -> list[str]:
    """Return the cells of a row under `HEADER`."""
    memory, top1 = row["memory_mb"], row["top1"]
    return [
        row["model"],
        "x".join(map(str, dict.fromkeys((row["height"], row["width"])))),
        row["form"],
        row["dtype"],
        str(row["batch"]),
        f"{row['ms_median']:.2f}",
        f"{row['ms_q25']:.2f}-{row['ms_q75']:.2f}",
        "-" if memory is None else f"{memory:.1f}",
        f"{row['params'] / 1e6:.2f}",
        f"{row['macs'] / 1e9:.3f}",
        f"{row['activations'] / 1e6:.2f}",
        "-" if top1 is None else f"{top1:.2f}{' *' if row['on_front'] else '  '}",
    ]


@dataclass(frozen=True)
class _Counts:
    """Size and cost of a form of a network, one image."""

    params: int
    macs: int
    activations: int
    memory_bytes: dict[int, int]  # weights and activations in float32 for each batch size


def _counts(name: str, options: BenchmarkOptions) -> dict[bool, _Counts]:
    """Count a network as it is trained (True) and deployed (False), where either is wanted."""
    network = build_network(name, options.image_size)
    counts = {}
    for is_eager in {form == "eager" for form in options.forms}:
        module = network.module if is_eager else deployed(network)
        layers = trace_layers(module, network.image_size)
        weights = sum(4 * tensor.numel() for tensor in [*module.parameters(), *module.buffers()])
        counts[is_eager] = _Counts(
            count_params(module),
            sum(layer.macs for layer in layers),
            sum(layer.outputs for layer in layers),
            {
                batch: weights + peak_activation_bytes(module, (batch, 3, *network.image_size))
                for batch in options.batch_sizes
            },
        )
    return counts


def _memory_mb(cell: Cell, counts: _Counts) -> float | None:
    """Return measured memory or, of an eager network, computed memory; fusing needs less."""
    memory = cell.memory_bytes
    if memory is None and cell.form != "compiled":
        memory = counts.memory_bytes[cell.batch] * DTYPES[cell.dtype].itemsize / 4
    return None if memory is None else round(memory / 1e6, 2)


def _settings(options: BenchmarkOptions) -> list[tuple[str, str, int]]:
    return list(itertools.product(options.forms, options.dtypes, options.batch_sizes))


@contextmanager
def _pinned(threads: int) -> Iterator[None]:
    """Give torch so many threads, and the process as many cores where the system allows (Linux)."""
    torch.set_num_threads(threads)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    if cores:
        os.sched_setaffinity(0, sorted(cores)[:threads])
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


def _cells(options: BenchmarkOptions, say: Callable[[str], object]) -> list[Cell]:
    cells = []
    for number, name in enumerate(options.names, 1):
        say(f"preparing {name} ({number} of {len(options.names)})")
        network = build_network(name, options.image_size, "cpu")
        for form, dtype, batch in _settings(options):
            cells.append(prepare(network, form, dtype, batch, options.device))
    return cells


def _named(options: BenchmarkOptions, cells: Sequence[Cell]) -> list[tuple[str, Cell]]:
    names = [name for name in options.names for _ in _settings(options)]
    return list(zip(names, cells, strict=True))


def _row(cell: Cell, timing: Timing, counts: _Counts, known: Sequence[Accuracy]) -> Row:
    network = cell.network
    height, width = network.image_size
    result = find_accuracy(known, network.name, network.image_size)
    return {
        "model": network.name,
        "height": height,
        "width": width,
        "form": cell.form,
        "dtype": cell.dtype,
        "batch": cell.batch,
        "ms_median": round(timing.median, 4),
        "ms_q25": round(timing.quartiles[0], 4),
        "ms_q75": round(timing.quartiles[1], 4),
        "images_per_s": round(1e3 * cell.batch / timing.median, 2),
        "memory_mb": _memory_mb(cell, counts),
        "params": counts.params,
        "macs": counts.macs,
        "activations": counts.activations,
        "top1": result.top1 if result else None,
        "weights": result.weights if result else None,
        "on_front": None,
    }


def _mark_fronts(rows: Sequence[Row]) -> None:
    """Say of each row with an accuracy whether it is on the front of its setting."""
    for setting in dict.fromkeys(map(_setting, rows)):
        group = [row for row in rows if _setting(row) == setting and row["top1"] is not None]
        points = [(row["model"], row["ms_median"] / row["batch"], row["top1"]) for row in group]
        front = set(pareto_front(points))
        for index, row in enumerate(group):
            row["on_front"] = int(index in front)


def _setting(row: Row) -> str:
    return f"{row['form']}, {row['dtype']}, batch {row['batch']}"
