"""List, download, convert and publish weights.

python tools/weights.py list --arch conv_m
python tools/weights.py download conv_m.e500_r256_in1k --to weights/
python tools/weights.py convert work_dirs/run/best.pth conv_m.safetensors --to timm
python tools/weights.py publish work_dirs/run weights/ --licence apache-2.0
"""

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from _cli import run_cli
from _options import expanded, expanded_path


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("list", help="published weights")
    command.add_argument("--arch", help="only this architecture, ours or timm's name")
    command.add_argument("--json", action="store_true", help="everything known, as JSON")
    command.set_defaults(run=list_weights)

    command = commands.add_parser("download", help="fetch weights from the hub")
    command.add_argument("name", help="arch.tag, timm's tag, or an architecture for its default")
    command.add_argument(
        "--to", type=expanded_path, metavar="DIR", help="copy the file into this folder"
    )
    command.set_defaults(run=download_weights)

    command = commands.add_parser("convert", help="rename a checkpoint to or from timm's names")
    command.add_argument("src", help="checkpoint file or folder; with --to mnv4 also a tag")
    command.add_argument("dst", type=Path, help=".safetensors or .pth file to write")
    command.add_argument("--to", choices=("timm", "mnv4"), required=True)
    command.add_argument("--arch", help="architecture, where the file does not say")
    command.set_defaults(run=convert_weights)

    command = commands.add_parser(
        "publish", help="weights of a training, with metadata, in a file that names its hash"
    )
    command.add_argument(
        "checkpoint", type=expanded, help="checkpoint, or a work dir for its best one"
    )
    command.add_argument(
        "out", type=expanded, help="folder, or path without the hash: PATH-<hash>.safetensors"
    )
    command.add_argument("--licence", help="of the weights, such as apache-2.0")
    command.add_argument(
        "--join-branches",
        action="store_true",
        help="of MobileOne: write the form for inference, one convolution for each block",
    )
    command.set_defaults(run=publish_weights)
    return parser


def list_weights(args: argparse.Namespace) -> None:
    from mnv4_vision.core.weights.catalogue import CATALOGUE, entries_for, get_entry

    entries = list(CATALOGUE.values())
    if args.arch:
        entries = entries_for(args.arch) or [get_entry(args.arch)]
    if args.json:
        print(json.dumps([asdict(entry) for entry in entries], indent=2))
        return
    header = ("name", "train px", "test px", "top-1 %", "classes", "mean", "licence", "hub")
    rows = [
        (
            entry.name,
            str(entry.input_size),
            str(entry.test_input_size),
            "-" if entry.top1 is None else f"{entry.top1:.2f}",
            str(entry.num_classes),
            "/".join(f"{value:.3g}" for value in entry.mean),
            entry.licence,
            entry.hub_id,
        )
        for entry in entries
    ]
    print_table(header, rows)


def print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print with rich on a terminal, as aligned plain text (one row, one line) in a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        print(line.rstrip())


def download_weights(args: argparse.Namespace) -> None:
    from mnv4_vision.core.files import write_atomic
    from mnv4_vision.core.weights import download, get_entry

    entry = get_entry(args.name)
    path = download(entry.hub_id)
    if args.to:
        # Under timm's name, from which the mean and std of a local file are known.
        target = args.to / f"{entry.timm_name}.safetensors"
        write_atomic(target, lambda partial: shutil.copyfile(path, partial))
        path = target
    print(path)


def convert_weights(args: argparse.Namespace) -> None:
    from mnv4_vision.core.weights import convert_from_timm, convert_to_timm

    convert = convert_to_timm if args.to == "timm" else convert_from_timm
    report = convert(args.src, args.dst, args.arch)
    print(f"{args.dst}: {report.name}, {len(report.matched)} tensors")
    if report.missing:
        print(f"without the classifier's {len(report.missing)}: load with strict=False")


def publish_weights(args: argparse.Namespace) -> None:
    from mnv4_vision.core.weights import publish

    options = {"licence": args.licence, "join_branches": args.join_branches}
    done = publish(args.checkpoint, args.out, **options)
    print(done.path)
    print(f"SHA-256 {done.sha256}")
    millions = done.num_parameters / 1e6
    print(f"{done.size_bytes / 1e6:.2f} MB, {millions:.2f} M parameters and statistics")
    for key, value in done.meta.items():
        text = " ".join(str(value).split())
        print(f"{key}: {text if len(text) <= 100 else text[:97] + '...'}")


def main() -> None:
    args = build_parser().parse_args()
    args.run(args)


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
