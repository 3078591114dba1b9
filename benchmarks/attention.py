"""What Mobile MQA costs where the output stride is below 32, with and without `kv_reduction`.

    python benchmarks/attention.py --size 512

GMACs and peak activation memory (fused attention, and matmul with softmax as exported) are counted;
the time is the median forward of one image on one thread, in CPU time, all forms interleaved.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence

import torch

from mnv4_vision import __version__
from mnv4_vision.core.backbones import MobileNetV4
from mnv4_vision.core.measure import count_macs, peak_activation_bytes

# output stride and `kv_reduction`
FORMS = ((32, False), (16, False), (16, True), (8, False), (8, True))
HEADER = ("arch", "output stride", "reduced", "GMACs", "s", "peak MB", "not fused, MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archs", nargs="+", default=["hybrid_m", "hybrid_l"])
    parser.add_argument("--size", type=int, default=512, help="image side in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"mnv4_vision {__version__}, torch {torch.__version__}, {capability}, {args}\n")
    print(row(HEADER), row(["---"] * 3 + ["--:"] * 4), sep="\n")
    for arch in args.archs:
        for cells in measure_arch(arch, args):
            print(row((f"`{arch}`", *cells)), flush=True)


def measure_arch(arch: str, args: argparse.Namespace) -> Iterator[tuple]:
    """Yield the cells of each form of a backbone."""
    forms = [network(arch, *form) for form in FORMS]
    for (output_stride, reduced), model, seconds in zip(
        FORMS, forms, median_seconds(forms, args), strict=True
    ):
        plain = network(arch, output_stride, reduced, fused_attention=False)
        yield (
            output_stride,
            "yes" if reduced else "no",
            f"{count_macs(model, args.size) / 1e9:.2f}",
            f"{seconds:.2f}",
            f"{peak_activation_bytes(model, args.size) / 1e6:.0f}",
            f"{peak_activation_bytes(plain, args.size) / 1e6:.0f}",
        )


def network(arch: str, output_stride: int, reduced: bool, **options: bool) -> MobileNetV4:
    return MobileNetV4(
        arch, out_indices=(4,), output_stride=output_stride, kv_reduction=reduced, **options
    ).eval()


@torch.inference_mode()
def median_seconds(models: Sequence[MobileNetV4], args: argparse.Namespace) -> list[float]:
    """Return the CPU time of a forward pass of each model, interleaved, the first not counted."""
    image = torch.randn(1, 3, args.size, args.size)
    seconds = [[] for _ in models]
    for _ in range(args.rounds + 1):
        for model, times in zip(models, seconds, strict=True):
            start = time.process_time()
            model(image)
            times.append(time.process_time() - start)
    return [statistics.median(times[1:]) for times in seconds]


def row(cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
