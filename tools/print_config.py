"""Print what a config and the flags of a training resolve to, or what they change.

Examples: python tools/print_config.py configs/det/retina_mnv4_conv_m.py --key model.bbox_head
          python tools/print_config.py configs/det/retina_mnv4_conv_m_scratch.py --diff
"""

import argparse

import train
from _cli import run_cli
from _options import run_options


def build_parser() -> argparse.ArgumentParser:
    parser = train.build_parser()  # what a training would run needs a training's flags
    parser.description = __doc__
    parser.add_argument("--key", metavar="A.B", help="this part only, e.g. model.bbox_head")
    parser.add_argument(
        "--diff",
        action="store_true",
        help="only what the config file changes in its bases, and the flags in the config file",
    )
    parser.add_argument("--json", action="store_true", help="JSON instead of Python")
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.core.engine import show_config

    print(show_config(run_options(args), key=args.key, diff=args.diff, as_json=args.json))


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
