"""Rank networks by the MobileNetV4 paper's performance model, without running them.

python tools/roofline.py conv_s conv_m mobilenetv3_large_100 --ridge-points 31 347 434

ModelTime is the sum over the layers of max(MACs / PeakMACs, bytes / PeakBandwidth) (section 3 of
the paper). Only the ridge point PeakMACs / PeakBandwidth matters for the ranking; 31 is the paper's
Pixel 6 CPU, 347 its Pixel 4 DSP, 434 its Pixel 8 EdgeTPU, 0 counts MACs. A model is conv_s, ...,
hybrid_l (the classifier), a network of timm, or a config of any task, in its deployed form.
docs/measurement.md has what counts.
"""

import argparse
from pathlib import Path

from _cli import run_cli
from _options import expanded_path, positive


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="name or config file")
    parser.add_argument(
        "--ridge-points",
        nargs="+",
        type=_not_negative,
        default=[31.0, 347.0, 434.0],
        metavar="MACS_PER_BYTE",
        help="of the table (default: 31 347 434); CSV and plot have 0 to 500",
    )
    parser.add_argument(
        "--bytes", type=_above_zero, default=1.0, metavar="N", help="an element (default: 1, INT8)"
    )
    parser.add_argument(
        "--image-size", type=positive, metavar="PX", help="default: each network's own"
    )
    parser.add_argument(
        "--out",
        type=expanded_path,
        default=Path("work_dirs/roofline"),
        metavar="DIR",
        help="layers.csv, stages.csv, sweep.csv, roofline.png (default: work_dirs/roofline)",
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.analysis import build_network, profile
    from mnv4_vision.analysis.roofline_report import (
        draw_roofline,
        layer_rows,
        stage_rows,
        sweep_rows,
        table_rows,
    )
    from mnv4_vision.analysis.tables import csv_bytes, plain_table
    from mnv4_vision.core.files import check_writable, write_atomic

    check_writable(args.out)
    names = dict.fromkeys(args.models)
    profiles = [profile(build_network(name, args.image_size)) for name in names]
    points = list(dict.fromkeys(args.ridge_points))
    header = ["model", "px", "params, M", "MMACs", "rank"]
    for point in points:
        header += [f"at {point:g}", "rank", "memory"]
    print(plain_table(header, table_rows(profiles, points, args.bytes)))
    tables = {
        "layers.csv": [layer_rows(p, args.bytes) for p in profiles],
        "stages.csv": [stage_rows(p, points, args.bytes) for p in profiles],
        "sweep.csv": [sweep_rows(p, points, args.bytes) for p in profiles],
    }
    for name, rows in tables.items():
        write_atomic(args.out / name, csv_bytes([row for part in rows for row in part]))
    write_atomic(args.out / "roofline.png", draw_roofline(profiles, points, args.bytes))
    print("times in 10^6 MACs that the hardware could have done; memory: the share of the time in")
    print(f"memory-bound layers; written: {args.out}/{', '.join(tables)}, roofline.png")


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be at least 0, not {text}")
    return number


def _above_zero(text: str) -> float:
    if not 0 < float(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return float(text)


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
