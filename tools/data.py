"""Data sets: generate the demo set, check a set before training.

python tools/data.py demo --out data/demo
python tools/data.py check data/demo --decode
"""

import argparse
from pathlib import Path

from _cli import run_cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    _add_check(commands)
    return parser


def _add_demo(commands) -> None:
    parser = commands.add_parser(
        "demo", help="generate a small set with boxes, masks and labels; nothing is downloaded"
    )
    # None: the defaults are those of make_demo, kept in one place.
    parser.add_argument("--out", type=Path, default=Path("data/demo"), help="default: %(default)s")
    parser.add_argument("--train", type=int, help="number of training scenes")
    parser.add_argument("--val", type=int, help="number of validation scenes")
    parser.add_argument("--image-size", type=int, help="side of the images, in pixels")
    parser.add_argument("--seed", type=int, help="equal seeds give equal files")
    parser.set_defaults(run=run_demo)


def _add_check(commands) -> None:
    parser = commands.add_parser("check", help="say what a data root holds and what is wrong")
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--decode", action="store_true", help="also decode every image")
    parser.set_defaults(run=run_check)


def run_demo(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import make_demo

    names = ("train", "val", "image_size", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    print(f"demo data in {make_demo(args.out, **given)}")


def run_check(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import check_coco, find_coco

    layout = find_coco(args.data_root)
    print(f"{args.data_root}: {layout.name} layout")
    for ann_file, images in (
        (layout.train_ann, layout.train_images),
        (layout.val_ann, layout.val_images),
    ):
        print(check_coco(ann_file, images, decode=args.decode))


def main() -> None:
    args = build_parser().parse_args()
    args.run(args)


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
