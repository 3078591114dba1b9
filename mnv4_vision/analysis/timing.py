"""Networks timed in turn in one process, so that a machine's moods reach all of them alike."""

import copy
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mnv4_vision.analysis.networks import Network, deployed
from mnv4_vision.core.errors import InputError

__all__ = [
    "DTYPES",
    "FORMS",
    "Cell",
    "Timing",
    "check_form",
    "clock_name",
    "has_native_bf16",
    "prepare",
    "time_interleaved",
]

FORMS = ("eager", "compiled", "deployed")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
COMPILES = 1000  # torch's default of 8 for one class would leave the others uncompiled, silently


@dataclass(frozen=True)
class Cell:
    """A network in the form in which it is timed.

    Attributes:
        network: The network.
        form: Of `FORMS`.
        dtype: Of `DTYPES`.
        batch: Images of a call.
        step: One call.
        memory_bytes: Weights and activations at their most on a GPU; None on a CPU, where nothing
            measures it.
    """

    network: Network
    form: str
    dtype: str
    batch: int
    step: Callable[[], object]
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Timing:
    """Milliseconds of a call.

    Attributes:
        median: Of the rounds.
        quartiles: A quarter of the rounds is below the first, a quarter above the second.
    """

    median: float
    quartiles: tuple[float, float]


def check_form(form: str, device: str) -> None:
    """Raise an `InputError` if `form` cannot be made on this machine."""
    compiler = os.environ.get("CXX", "g++")  # as inductor looks for it
    if form == "compiled" and device == "cpu" and not shutil.which(compiler):
        raise InputError(f"--form compiled needs a C++ compiler; no {compiler} is found")


def has_native_bf16() -> bool | None:
    """Whether this CPU multiplies bfloat16 itself; None where the system does not say."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read().split()
    except OSError:
        return None
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def prepare(network: Network, form: str, dtype: str, batch: int, device: str = "cpu") -> Cell:
    """Bring a network into a form and run it once.

    Eager is the network as it is trained, in eval mode; deployed is `deploy`'s copy; compiled is
    `torch.compile` of that copy, with inductor's freezing. To be called under `inference_mode`.

    Args:
        network: On the CPU, in float32.
        form: Of `FORMS`.
        dtype: Of `DTYPES`.
        batch: Images of a call.
        device: Where to run.

    Raises:
        InputError: The network cannot run, or not be compiled.
    """
    # the other forms are copies already
    module = copy.deepcopy(network.module) if form == "eager" else deployed(network)
    module = module.to(device, DTYPES[dtype])
    image = torch.randn(batch, 3, *network.image_size).to(device, DTYPES[dtype])
    run = _compiled(module, image, network.name) if form == "compiled" else module
    _first_run(run, image, f"{network.name}, {form}, {dtype}")
    memory = _allocated_memory(run, image, module) if device.startswith("cuda") else None
    return Cell(network, form, dtype, batch, lambda: run(image), memory)


def time_interleaved(
    cells: Sequence[Cell],
    rounds: int,
    calls: int,
    clock: Callable[[], float] = time.perf_counter,
    device: str = "cpu",
    after_round: Callable[[int], object] = lambda number: None,
) -> list[Timing]:
    """Time every cell once a round, forwards and backwards through the list in turn.

    Each turn begins with a call that does not count, as the caches hold another network.

    Args:
        cells: What to time; each has run before.
        rounds: Rounds.
        calls: Calls whose mean is a cell's time of the round.
        clock: Returns seconds.
        device: Where the cells run.
        after_round: Called with the number of rounds done.
    """
    seconds: list[list[float]] = [[] for _ in cells]
    for number in range(rounds):
        order = range(len(cells)) if number % 2 else reversed(range(len(cells)))
        for index in order:
            seconds[index].append(_elapsed(cells[index].step, calls, clock, device))
        after_round(number + 1)
    return [_timing(times) for times in seconds]


def clock_name(threads: int, device: str) -> str:
    """Name the clock of `time`: one thread's CPU time suffers little from a busy machine."""
    return "process_time" if threads == 1 and device == "cpu" else "perf_counter"


def _elapsed(
    step: Callable[[], object], calls: int, clock: Callable[[], float], device: str
) -> float:
    step()
    _synchronize(device)
    start = clock()
    for _ in range(calls):
        step()
    _synchronize(device)
    return (clock() - start) / calls


def _timing(seconds: Sequence[float]) -> Timing:
    times = [1e3 * value for value in seconds]
    if len(times) < 2:
        return Timing(times[0], (times[0], times[0]))
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return Timing(median, (low, high))


def _compiled(module: nn.Module, image: Tensor, name: str) -> Callable[[Tensor], object]:
    from torch._dynamo import config as dynamo
    from torch._inductor import config as inductor

    run = torch.compile(module, dynamic=False)
    try:
        with inductor.patch(freezing=True), dynamo.patch(recompile_limit=COMPILES):
            run(image)
    except Exception as error:  # anything, out of a compiler
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{name} cannot be compiled, leave it or --form compiled out: {reason}"
        ) from error
    return run


def _first_run(run: Callable[[Tensor], object], image: Tensor, what: str) -> None:
    try:
        run(image)
    except Exception as error:  # each network refuses in its own way
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what}: cannot run on {tuple(image.shape)}: {reason}") from error


def _allocated_memory(run: Callable, image: Tensor, module: nn.Module) -> int:
    """Return what torch's allocator held at most during a call, without other networks."""
    tensors = [*module.parameters(), *module.buffers()]
    weights = sum(t.numel() * t.element_size() for t in tensors)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run(image)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before + weights


def _synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
