"""Train the model of a config, whatever its task.

Example: python tools/train.py configs/det/retina_mnv4_conv_m.py --data-root data/coco
"""

import argparse

from _cli import run_cli
from _options import add_run_flags, expanded, positive, run_options


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_flags(parser, default_work_dir="work_dirs/<config name>")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        type=expanded,
        metavar="PATH",
        help="go on from PATH, or from the newest intact checkpoint of the work dir",
    )
    parser.add_argument(
        "--pretrained", metavar="NAME", help="backbone weights: a tag, a file, or none"
    )
    parser.add_argument(
        "--overfit",
        type=positive,
        metavar="N",
        help="sanity check: learn N training images by heart, without augmentation",
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="stretches the schedule")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="per process")
    parser.add_argument(
        "--accumulate",
        type=positive,
        metavar="N",
        help="update the weights every N batches, as if they were one",
    )
    parser.add_argument(
        "--freeze-bn",
        action="store_true",
        help="keep the BatchNorm statistics of the pretrained backbone: for batches below 4",
    )
    parser.add_argument(
        "--early-stop",
        nargs="?",
        const=5,
        type=positive,
        metavar="N",
        help="end after N validations (default: 5) without a better one",
    )
    parser.add_argument(
        "--log",
        type=lambda text: text.split(","),
        default=(),
        metavar="NAME,...",
        help="also log to tensorboard, wandb, mlflow",
    )
    parser.add_argument(
        "--amp",
        action=argparse.BooleanOptionalAction,
        help="mixed precision (default: on where there is a GPU)",
    )
    parser.add_argument(
        "--amp-dtype",
        choices=("fp16", "bf16"),
        help="its type (default: fp16 on a GPU, bf16 on a CPU)",
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.core.engine import train

    train(run_options(args))


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
