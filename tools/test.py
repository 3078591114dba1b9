"""Evaluate a checkpoint, class by class: a detector's AP, a segmenter's mIoU, a classifier's top-1.

Example: python tools/test.py configs/det/retina_mnv4_conv_m.py work_dirs/demo --demo --report
"""

import argparse

from _cli import run_cli
from _options import add_run_flags, expanded, run_options


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
        type=expanded,
        metavar="PATH",
        help="also write an HTML page (a file, or report.html in a folder; default: the work dir), "
        "and beside it metrics.json and, of a detector, detections.json for tools/evaluate.py",
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.core.engine import test

    test(run_options(args), args.checkpoint, report=args.report)


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
