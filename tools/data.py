"""Data sets: generate, download, verify, look at, convert and divide them.

python tools/data.py demo --out data/demo
python tools/data.py download coco
python tools/data.py verify DIR            # boxes, masks or classes; --task where there are several
python tools/data.py browse DIR --out page --config configs/det/retina_mnv4_conv_s.py
python tools/data.py stats DIR --out stats
python tools/data.py convert DIR --to yolo --out DIR2
python tools/data.py split DIR --out DIR2 --val 0.2
python tools/data.py pack DIR --to webdataset --out DIR2    # classes, for slow disks
"""

import argparse
from pathlib import Path

from _cli import run_cli
from _options import expanded_path


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    _add_download(commands)
    _add_verify(commands)
    _add_browse(commands)
    _add_stats(commands)
    _add_convert(commands)
    _add_split(commands)
    _add_pack(commands)
    return parser


def _add_demo(commands) -> None:
    parser = commands.add_parser(
        "demo", help="generate a small set with boxes, masks and labels; nothing is downloaded"
    )
    # None: the defaults are those of make_demo, kept in one place.
    parser.add_argument(
        "--out", type=expanded_path, default=Path("data/demo"), help="default: %(default)s"
    )
    parser.add_argument("--train", type=int, help="number of training scenes")
    parser.add_argument("--val", type=int, help="number of validation scenes")
    parser.add_argument("--image-size", type=int, help="side of the images, in pixels")
    parser.add_argument("--seed", type=int, help="equal seeds give equal files")
    parser.set_defaults(run=run_demo)


def _add_download(commands) -> None:
    parser = commands.add_parser(
        "download", help="fetch a public set; for a licensed one, say how and unpack what you bring"
    )
    parser.add_argument("name", help="coco, ade20k or imagenet")
    parser.add_argument("--out", type=expanded_path, help="default: data/<name>")
    parser.add_argument("--split", choices=("train", "val"), help="only what this split needs")
    parser.add_argument(
        "--keep-archives", action="store_true", help="do not delete them once they are unpacked"
    )
    parser.set_defaults(run=run_download)


def _add_verify(commands) -> None:
    parser = commands.add_parser(
        "verify", help="say what a set holds and what would fail later, as every training does"
    )
    _add_data_root(parser)
    _add_task(parser)
    parser.add_argument(
        "--decode", action="store_true", help="decode every image and mask, also of a large set"
    )
    parser.add_argument(
        "--show", type=int, default=10, metavar="N", help="records to name; default: %(default)s"
    )
    parser.set_defaults(run=run_verify)


def _add_browse(commands) -> None:
    parser = commands.add_parser(
        "browse", help="write a page of images with their labels, before and after augmentation"
    )
    _add_data_root(parser)
    _add_task(parser)
    parser.add_argument("--out", type=expanded_path, required=True, help="folder of the page")
    parser.add_argument("--config", help="whose training pipeline to show, too")
    parser.add_argument("--split", choices=("train", "val"), default="train")
    parser.add_argument("--num", type=int, default=24, help="images; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds choose the same images")
    parser.set_defaults(run=run_browse)


def _add_stats(commands) -> None:
    parser = commands.add_parser(
        "stats", help="plot the distributions of classes, sizes and aspect ratios"
    )
    _add_data_root(parser)
    _add_task(parser)
    parser.add_argument(
        "--out", type=expanded_path, default=Path("work_dirs/stats"), help="default: %(default)s"
    )
    parser.set_defaults(run=run_stats)


def _add_convert(commands) -> None:
    parser = commands.add_parser(
        "convert", help="write a set of boxes as COCO JSON, Pascal VOC or YOLO"
    )
    _add_data_root(parser)
    parser.add_argument("--to", required=True, choices=("coco", "voc", "yolo"))
    _add_output(parser)
    parser.set_defaults(run=run_convert)


def _add_split(commands) -> None:
    parser = commands.add_parser(
        "split", help="divide a set of boxes into train and val (and test), stratified by class"
    )
    _add_data_root(parser)
    parser.add_argument("--val", type=float, default=0.2, help="share; default: %(default)s")
    parser.add_argument("--test", type=float, default=0.0, help="share; default: no test split")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal splits")
    _add_output(parser)
    parser.set_defaults(run=run_split)


def _add_pack(commands) -> None:
    parser = commands.add_parser(
        "pack", help="write a set of classes into one file or a few, read in place of the folders"
    )
    _add_data_root(parser)
    parser.add_argument("--to", required=True, choices=("lmdb", "webdataset"))
    parser.add_argument("--out", type=expanded_path, required=True, help="folder to create")
    # None: the defaults are those of pack_images, kept in one place.
    parser.add_argument("--shard-size", type=float, metavar="MB", help="of a tar file, about")
    parser.add_argument(
        "--max-side", type=int, metavar="PX", help="make larger images smaller; default: none"
    )
    parser.set_defaults(run=run_pack)


def _add_data_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data_root", type=expanded_path, help="folder of the set; docs/data.md has the layouts"
    )


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        choices=("det", "seg", "cls"),
        help="look at the boxes, the masks or the classes of a set that has several; default: the "
        "first of these that is there",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=expanded_path, required=True, help="folder to create")
    parser.add_argument(
        "--images",
        choices=("copy", "hardlink", "symlink"),
        default="copy",
        help="how the image files get there; links take no space; default: %(default)s",
    )


def run_demo(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import make_demo

    names = ("train", "val", "image_size", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    print(f"demo data in {make_demo(args.out, **given)}")


def run_download(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets.download import download_dataset

    download_dataset(args.name, args.out, split=args.split, keep_archives=args.keep_archives)


def run_verify(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import (
        image_splits_of,
        paths_of,
        splits_of,
        verify_data,
        verify_images,
        verify_masks,
    )

    data, task = _find(args)
    verify, splits = {
        "det": (verify_data, paths_of),
        "seg": (verify_masks, splits_of),
        "cls": (verify_images, image_splits_of),
    }[task]
    # None: without the flag small sets are decoded, too.
    report = verify(splits(data), decode=args.decode or None)
    print(report.describe(args.show))
    report.raise_errors("all of them are above")


def run_browse(args: argparse.Namespace) -> None:
    _, task = _find(args, args.split)
    if task == "seg":
        from mnv4_vision.seg.browse import browse
    elif task == "cls":
        from mnv4_vision.cls.browse import browse
    else:
        from mnv4_vision.det.browse import browse
    options = {"config": args.config, "split": args.split, "num": args.num, "seed": args.seed}
    print(f"page in {browse(args.data_root, args.out, **options)}")


def run_stats(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import (
        image_splits_of,
        paths_of,
        splits_of,
        write_image_statistics,
        write_mask_statistics,
        write_statistics,
    )

    data, task = _find(args)
    write, splits = {
        "det": (write_statistics, paths_of),
        "seg": (write_mask_statistics, splits_of),
        "cls": (write_image_statistics, image_splits_of),
    }[task]
    print(write(splits(data), args.out))
    print(f"plots in {args.out / 'stats.png'}, numbers in {args.out / 'stats.json'}")


def _find(args: argparse.Namespace, split: str | None = None):
    """Find boxes, masks or classes, say which, and return them with the task."""
    from mnv4_vision.datasets import KINDS_OF_DATA, find_labels, other_tasks, task_of

    data = find_labels(args.data_root, args.task, split)
    task = task_of(data)
    print(data.describe(args.data_root))
    for other in other_tasks(args.data_root, task) if args.task is None else ():
        looked, left = KINDS_OF_DATA[task], KINDS_OF_DATA[other]
        print(f"note     {looked} are looked at; --task {other} looks at the {left} here, too")
    return data, task


def run_convert(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import convert_set

    loaded, losses = convert_set(args.data_root, args.to, args.out, args.images)
    _print_written(loaded, args)
    for what, count in losses.items():
        print(f"warning  {what}: {count}")


def run_split(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import divide_set

    shares = {"val": args.val, "test": args.test}
    loaded = divide_set(args.data_root, args.out, **shares, seed=args.seed, images=args.images)
    _print_written(loaded, args)


def run_pack(args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import pack_images

    options = {"shard_mb": args.shard_size, "max_side_px": args.max_side}
    given = {name: value for name, value in options.items() if value is not None}
    print(pack_images(args.data_root, args.out, args.to, **given).describe(args.out))


def _print_written(loaded, args: argparse.Namespace) -> None:
    from mnv4_vision.datasets import class_counts

    print(f"{args.data_root}: {loaded.name}")
    for warning in loaded.warnings:
        print(f"warning  {warning}")
    print(f"written to {args.out}:")
    for split, (num_images, boxes) in class_counts(loaded).items():
        counts = ", ".join(f"{name} {boxes[name]}" for name in loaded.classes)
        print(f"  {split:<5}  {num_images} images; boxes: {counts}")


def main() -> None:
    args = build_parser().parse_args()
    args.run(args)


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
