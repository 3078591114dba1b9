"""Evaluate a checkpoint: COCO's twelve numbers and the AP of each class.

Example: python tools/test.py configs/det/retina_mnv4_conv_m.py work_dirs/demo --demo --report
"""

import argparse

from _cli import run_cli
from _options import add_run_flags, run_options


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_flags(parser, default_work_dir="<folder of the checkpoint>/test")
    parser.add_argument("checkpoint", help="checkpoint, or a work dir for its best one")
    parser.add_argument(
        "--report",
        nargs="?",
        const="auto",
        metavar="PATH",
        help="also write an HTML page (a file, or report.html in a folder; default: the work dir), "
        "and beside it metrics.json and detections.json, which tools/evaluate.py reads",
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.core.engine import test

    test(run_options(args), args.checkpoint, report=args.report)


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
