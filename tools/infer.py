"""Run a trained model on images: copies with boxes, masks or classes, a JSON file and the times.

Example: python tools/infer.py work_dirs/demo/config.py work_dirs/demo photos/ --out predictions
"""

import argparse

from _cli import run_cli
from _options import add_cfg_options, expanded, run_options


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config; a run's own is <work dir>/config.py")
    parser.add_argument("checkpoint", help="checkpoint, or a work dir for its best one")
    parser.add_argument("inputs", nargs="+", help="image files, folders or globs")
    parser.add_argument(
        "--out", default="predictions", type=expanded, metavar="DIR", help="default: predictions"
    )
    parser.add_argument(
        "--score-threshold", type=float, default=0.3, help="of detectors; default: 0.3"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    add_cfg_options(parser)
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.core.engine import predict

    predict(
        run_options(args),
        args.checkpoint,
        args.inputs,
        args.out,
        device=args.device,
        score_threshold=args.score_threshold,
    )


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
