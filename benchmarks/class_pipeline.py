"""Times a classifier's input pipeline against timm's that does the same: files to network input.

    python benchmarks/class_pipeline.py --data-root DIR [--size 224] [--rounds 9]

Batch by batch, in one process on one thread, in turn, up to a normalised float tensor:
    timm           `create_dataset` and `create_transform`, which normalises; default collate
    timm prefetch  the same with uint8 images, normalised by `PrefetchLoader`: timm's default
    ours           the pipeline of `configs/cls/mnv4_conv_s_paper.py` and its data preprocessor
A ratio is the median over rounds of our time to theirs; below 1 is faster. The clock is the
process's CPU time, which a busy machine disturbs little.

The work, each at the same size: `eval` resizes and cuts out the centre, bicubic; `train` takes a
random part and mirrors it, bilinear; `randaugment` adds two layers of magnitude 9 with probability
0.5. The inputs of `eval` are compared before anything is timed. Random parts are drawn alike but
not resampled alike: Pillow smooths before it shrinks, OpenCV does where it shrinks by two or more.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import PIL
import torch

import mnv4_vision  # first, as timm without torchvision's operators needs its compat

# isort: split
import timm
from interleaved import print_totals
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS
from timm.data import create_dataset, create_transform
from timm.data.loader import PrefetchLoader, fast_collate
from torch import Tensor
from torch.utils.data import default_collate

from mnv4_vision.cls import ImageDataset
from mnv4_vision.cls.transforms import RandAugment
from mnv4_vision.core.engine import RunOptions, prepare_config

CONFIG = "configs/cls/mnv4_conv_s_paper.py"
MAX_DIFFERENCE = 1e-5
TRAIN = dict(is_training=True, interpolation="bilinear", color_jitter=None)
# Arguments of timm's transform.
WORK: dict[str, dict[str, Any]] = {
    "eval": dict(crop_pct=0.875, interpolation="bicubic"),
    "train": TRAIN,
    "randaugment": TRAIN | dict(auto_augment="rand-m9-n2-p0.5"),
}
Form = Callable[[Sequence[int]], Tensor]


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    print(
        f"mnv4_vision {mnv4_vision.__version__}, timm {timm.__version__}, "
        f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}, {args.size} px, "
        f"batch {args.batch}, threads {args.threads}, rounds {args.rounds}"
    )
    for work in args.work:
        forms, num_images = forms_of(work, args)
        batches = [
            range(start, start + args.batch)
            for start in range(0, min(args.num_images, num_images) - args.batch + 1, args.batch)
        ]
        print(f"\n{work}: {len(batches)} batches; {compare(work, forms, batches)}")
        print_totals(forms, batches, args, num_images=args.batch)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", required=True, metavar="DIR", help="has train/CLASS/*.jpg")
    parser.add_argument("--work", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--size", type=int, default=224, help="side in pixels; default: 224")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--num-images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.set_defaults(threads=1)
    return parser.parse_args(argv)


def forms_of(work: str, args: argparse.Namespace) -> tuple[dict[str, Form], int]:
    """Return the three forms, functions of numbers of images, and the number of images."""
    cfg = load_cfg(args)
    ours = ImageDataset(args.data_root, "train", pipeline_of(cfg, work))
    theirs, prefetched = (timm_dataset(work, args, prefetch=value) for value in (False, True))
    numbers = {path: number for number, path in enumerate(theirs.filenames(absolute=True))}
    order = [numbers[ours.get_data_info(i)["img_path"]] for i in range(len(ours))]
    preprocessor = MODELS.build(cfg.model.data_preprocessor)

    def run_timm(batch: Sequence[int]) -> Tensor:
        return default_collate([theirs[order[i]] for i in batch])[0]

    def run_prefetch(batch: Sequence[int]) -> Tensor:
        samples = fast_collate([prefetched[order[i]] for i in batch])
        loader = PrefetchLoader([samples], device=torch.device("cpu"))
        return next(iter(loader))[0]

    def run_ours(batch: Sequence[int]) -> Tensor:
        return preprocessor(pseudo_collate([ours[i] for i in batch]))["inputs"]

    forms = {"timm": run_timm, "timm prefetch": run_prefetch, "ours": run_ours}
    return forms, len(ours)


def load_cfg(args: argparse.Namespace) -> Config:
    return prepare_config(RunOptions(CONFIG, image_size=args.size), splits=())[0]


def pipeline_of(cfg: Config, work: str) -> list[dict]:
    """Return the config's steps for this work."""
    if work == "eval":
        return cfg.test_dataloader.dataset.pipeline
    steps = cfg.train_dataloader.dataset.pipeline
    augmented = work == "randaugment"
    return [step for step in steps if augmented or step["type"] is not RandAugment]


def timm_dataset(work: str, args: argparse.Namespace, prefetch: bool) -> timm.data.ImageDataset:
    size = (3, args.size, args.size)
    transform = create_transform(size, use_prefetcher=prefetch, **WORK[work])
    root = Path(args.data_root, "train").resolve()
    return create_dataset("", str(root), transform=transform)


def compare(work: str, forms: dict[str, Form], batches: Sequence[Sequence[int]]) -> str:
    """Return a line with the largest difference of the evaluation's inputs; stop if it is large."""
    if work != "eval":
        return "random, not compared"
    largest = 0.0
    for batch in batches:
        theirs, prefetched, ours = (form(batch) for form in forms.values())
        largest = max(largest, *(float((ours - x).abs().max()) for x in (theirs, prefetched)))
    if largest > MAX_DIFFERENCE:
        raise SystemExit(f"the inputs differ by {largest:.2g}")
    return f"equal within {largest:.1g}"


if __name__ == "__main__":
    main()
