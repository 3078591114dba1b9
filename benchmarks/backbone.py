"""Times MobileNetV4 against timm's: same weights, same process, interleaved, median of ratios.

    python benchmarks/backbone.py --archs conv_m hybrid_m --threads 1

Columns are ratios to timm's eager time, below 1 is faster:
    eval      forward of the training form
    deployed  forward of `deploy(model)`, eager
    onednn    forward of `deploy(model, onednn=True)`, eager; CPUs only
    compiled  forward of `torch.compile(deploy(model))` with inductor's freezing; on a CPU it needs
              a C++ compiler ($CXX, else g++)
    train     forward and backward in training mode
Inference is built and run under inference_mode (a build under no_grad would lose the freezing), and
the logits of each form are compared with timm's before it is timed.
With one thread on a CPU the clock is the process's CPU time, which a busy machine disturbs
little; otherwise it is wall time.
"""

import argparse
import importlib
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch._inductor import config

from mnv4_vision import __version__
from mnv4_vision.core.backbones import MobileNetV4Classifier, deploy, from_timm

timm = importlib.import_module("timm")  # next to a CPU-only torch it needs mnv4_vision's compat

SIZES = {"conv_s": 224, "conv_m": 256, "conv_l": 384, "hybrid_m": 256, "hybrid_l": 384}
TIMM_SIZES = {"s": "small", "m": "medium", "l": "large"}
FORMS = ("eval", "deployed", "onednn", "compiled", "train")


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    print(
        f"mnv4_vision {__version__}, timm {timm.__version__}, torch {torch.__version__}, "
        f"{device_name(args.device)}, threads {args.threads}, batch {args.batch}, training batch "
        f"{args.train_batch}, rounds {args.rounds}, clock {clock(args).__name__}"
    )
    print(f"{'arch':10}{'px':>5}{'timm ms':>9}" + "".join(f"{form:>10}" for form in args.forms))
    for arch in args.archs:
        size = args.size or SIZES[arch]
        forward_ms, ratios = measure_arch(arch, size, args)
        cells = "".join(f"{ratios[form]:>10.3f}" for form in args.forms)
        print(f"{arch:10}{size:>5}{forward_ms:>9.2f}{cells}", flush=True)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archs", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--forms", nargs="+", choices=FORMS, help="default: all that run here")
    parser.add_argument("--size", type=int, help="image side in pixels; default: the paper's")
    parser.add_argument("--batch", type=int, default=1, help="images per forward pass")
    parser.add_argument("--train-batch", type=int, default=4, help="images per training step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--calls", type=int, default=3, help="calls per round and network")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(argv)
    missing = missing_forms(args.device)
    args.forms = args.forms or [form for form in FORMS if form not in missing]
    for form in missing.keys() & set(args.forms):
        parser.error(f"argument --forms: {form} needs {missing[form]}")
    return args


def missing_forms(device: str) -> dict[str, str]:
    """Map the forms that cannot run to what they need."""
    if device != "cpu":
        return {"onednn": f"--device cpu, not {device}"}
    compiler = os.environ.get("CXX", "g++")  # as inductor looks for it
    return {} if shutil.which(compiler) else {"compiled": f"a C++ compiler; no {compiler} is found"}


def measure_arch(arch: str, size: int, args: argparse.Namespace) -> tuple[float, dict[str, float]]:
    """Return timm's forward time in ms and the ratio of each form to timm."""
    theirs, ours = networks(arch, args.device)
    image = torch.randn(args.batch, 3, size, size, device=args.device)
    with torch.inference_mode():
        inference = {form: network(form, ours, image) for form in args.forms if form != "train"}
        expected = theirs(image)
        for form, function in inference.items():
            check_equal(form, function(image), expected)
        steps = {form: lambda f=function: f(image) for form, function in inference.items()}
        forward_ms, ratios = compare(lambda: theirs(image), steps, args)
    if "train" in args.forms:
        images = torch.randn(args.train_batch, 3, size, size, device=args.device)
        step = {"train": lambda: train_step(ours, images)}
        ratios |= compare(lambda: train_step(theirs, images), step, args)[1]
    return forward_ms, ratios


def networks(arch: str, device: str) -> tuple[nn.Module, nn.Module]:
    """Return timm's network and ours with its weights."""
    kind, letter = arch.split("_")
    theirs = timm.create_model(f"mobilenetv4_{kind}_{TIMM_SIZES[letter]}").eval()
    ours = MobileNetV4Classifier(arch).eval()
    ours.load_state_dict(from_timm(theirs.state_dict(), arch, prefix="backbone."))
    return theirs.to(device), ours.to(device)


def network(form: str, ours: nn.Module, image: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the form of our network to time, built and warmed up."""
    if form == "eval":
        return ours
    if form != "compiled":
        return deploy(ours, onednn=form == "onednn")
    compiled = torch.compile(deploy(ours), dynamic=False)
    with config.patch(freezing=True):
        compiled(image)
    return compiled


def check_equal(form: str, logits: Tensor, expected: Tensor) -> None:
    """Raise unless the logits are timm's; GPUs convolve in TF32, with 10 bits of mantissa."""
    tolerance = 1e-3 if logits.device.type == "cpu" else 1e-2
    torch.testing.assert_close(
        logits,
        expected,
        rtol=0,
        atol=tolerance * expected.abs().max().item(),
        msg=lambda text: f"{form} does not compute what timm does: {text}",
    )


def train_step(model: nn.Module, images: Tensor) -> None:
    """Forward and backward in training mode."""
    model.train()
    model.zero_grad()
    model(images).square().mean().backward()


def compare(
    reference: Callable[[], object], others: dict[str, Callable], args: argparse.Namespace
) -> tuple[float, dict[str, float]]:
    """Interleave all networks; return the reference's median ms and each median ratio to it."""
    steps = {"": reference, **others}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        elapsed(step, args)
    for round_index in range(args.rounds):
        order = list(steps) if round_index % 2 else list(reversed(steps))
        for name in order:
            seconds[name].append(elapsed(steps[name], args))
    base = seconds.pop("")
    ratios = {
        name: statistics.median(a / b for a, b in zip(times, base, strict=True))
        for name, times in seconds.items()
    }
    return statistics.median(base) * 1e3, ratios


def elapsed(step: Callable[[], object], args: argparse.Namespace) -> float:
    """Seconds per call."""
    now = clock(args)
    start = now()
    for _ in range(args.calls):
        step()
    synchronize(args.device)
    return (now() - start) / args.calls


def clock(args: argparse.Namespace) -> Callable[[], float]:
    cpu_alone = args.threads == 1 and args.device == "cpu"
    return time.process_time if cpu_alone else time.perf_counter


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} CPU ({capability})"


if __name__ == "__main__":
    main()
