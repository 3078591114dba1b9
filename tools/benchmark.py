"""Time networks against each other: batch sizes, types, forms; CSV and a Pareto plot.

python tools/benchmark.py conv_s conv_m mobilenetv3_large_100 mobileone_s0
python tools/benchmark.py configs/det/ssdlite_mnv4_conv_s.py configs/det/retina_mnv4_conv_s.py
python tools/benchmark.py conv_s hybrid_m --form eager deployed --dtype fp32 bf16 --batch-size 1 8

A model is conv_s, ..., hybrid_l (the classifier), a network of timm, or a config of any task: its
network without the steps around it, such as NMS. All run in turn in one process, with random
weights; the time is the median of the rounds, the spread the quartiles. docs/measurement.md has
what the columns mean.
"""

import argparse
import sys
from pathlib import Path

from _cli import run_cli
from _options import expanded_path, positive

FORMS, DTYPES = ("eager", "compiled", "deployed"), ("fp32", "bf16")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="name or config file")
    parser.add_argument("--batch-size", nargs="+", type=positive, default=[1], metavar="N")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=["fp32"])
    parser.add_argument(
        "--form",
        nargs="+",
        choices=FORMS,
        default=["deployed"],
        help="eager: as trained; deployed: norms folded; compiled: that with torch.compile",
    )
    parser.add_argument(
        "--image-size", type=positive, metavar="PX", help="default: each network's own"
    )
    parser.add_argument("--threads", type=positive, default=1, metavar="N")
    parser.add_argument("--rounds", type=positive, default=15, metavar="N")
    parser.add_argument("--calls", type=positive, default=3, metavar="N", help="calls a round")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:N]")
    parser.add_argument(
        "--accuracy",
        type=expanded_path,
        metavar="FILE.csv",
        help="model,top1[,resolution,weights]; default: the weights catalogue",
    )
    parser.add_argument(
        "--out",
        type=expanded_path,
        default=Path("work_dirs/benchmark"),
        metavar="DIR",
        help="benchmark.csv, benchmark.json, pareto.png (default: work_dirs/benchmark)",
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.analysis import catalogue_accuracy, draw_pareto, read_accuracy
    from mnv4_vision.analysis.benchmark import (
        HEADER,
        BenchmarkOptions,
        format_row,
        pareto_panels,
        run_benchmark,
    )
    from mnv4_vision.analysis.tables import csv_bytes, plain_table, provenance
    from mnv4_vision.analysis.timing import clock_name, has_native_bf16
    from mnv4_vision.core.files import check_writable, write_atomic

    known = read_accuracy(args.accuracy) if args.accuracy else catalogue_accuracy()
    origin = provenance(
        args.device,
        threads=args.threads,
        rounds=args.rounds,
        calls=args.calls,
        clock=clock_name(args.threads, args.device),
        time="median of the rounds, spread: quartiles",
    )
    check_writable(args.out)
    if "bf16" in args.dtype and args.device == "cpu" and has_native_bf16() is False:
        _say("this CPU has no bfloat16 arithmetic: bf16 is emulated, and slow")
    options = BenchmarkOptions(
        names=tuple(dict.fromkeys(args.models)),
        image_size=args.image_size,
        forms=args.form,
        dtypes=args.dtype,
        batch_sizes=args.batch_size,
        threads=args.threads,
        rounds=args.rounds,
        calls=args.calls,
        device=args.device,
    )
    rows = run_benchmark(options, known, _say)
    print("\n".join(f"{key}: {value}" for key, value in origin.items()), end="\n\n")
    print(plain_table(HEADER, [format_row(row) for row in rows]))
    write_atomic(args.out / "benchmark.csv", csv_bytes(rows))
    write_atomic(args.out / "benchmark.json", _json(origin))
    panels = pareto_panels(rows)
    if panels:
        write_atomic(args.out / "pareto.png", draw_pareto(panels))
    _say_unknown(rows, args.accuracy)
    print(f"written: {args.out}/benchmark.csv, benchmark.json{', pareto.png' if panels else ''}")


def _say_unknown(rows: list[dict], accuracy: Path | None) -> None:
    unknown = [f"{r['model']} at {r['height']} px" for r in rows if r["top1"] is None]
    if unknown:
        source = accuracy or "the weights catalogue (--accuracy FILE.csv takes others)"
        names = ", ".join(dict.fromkeys(unknown))
        print(f"in the table and not in the plot, as {source} has no top-1 of it: {names}")


def _json(content: dict) -> bytes:
    import json

    return (json.dumps(content, indent=2) + "\n").encode()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
