"""Times image to label map against mmseg's `inference_model`: same weights, same process.

    python benchmarks/segment.py --images DIR [--config FILE] [--checkpoint FILE]

One image array at a time on the CPU, both forms in turn on every image:
    mmseg  `inference_model(model, image)` of an `EncoderDecoder`, the network as trained
    ours   `Segmenter.segment(image)`
A ratio is the median over rounds of our time to theirs; below 1 is faster. With one thread the
clock is the process's CPU time, which a busy machine disturbs little; otherwise it is wall time.

The photos are resized to `--size` first, so that network input and label map have one size; with
`--keep-size` they stay as they are and the test pipeline resizes them. Without `--checkpoint` the
weights are random, with statistics of these photos and `--border-share` of the labels on a border
between classes (see random_segmentor.py).

The label maps are compared first. At one size only ties within float32 rounding may differ: up to
1 pixel in 10,000. With `--keep-size` mmseg interpolates twice where we do it once, with `--slide`
it averages the windows after interpolation and we before: then the share is only printed.

Peak memory is that of a fresh process for each form, read from Linux's /proc: how far the largest
resident set while three photos are labelled lies above the one after loading.
"""

import argparse
import ctypes
import gc
import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

import mnv4_vision  # first, as mmcv without compiled operators needs its compat

# isort: split
from interleaved import clock, print_stages, print_totals
from mmengine.config import Config
from mmengine.dataset import Compose
from mmseg.apis import inference_model, init_model
from mmseg.models import EncoderDecoder
from random_segmentor import border_share, save_random_weights

from mnv4_vision.core.engine.prepare import RunOptions, prepare_config
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.seg import Segmenter, inference
from mnv4_vision.seg.models import segmentor

MAX_DIFFERENT = 1e-4
MEMORY_IMAGES = 3
STAGES = ("input", "network", "labels", "rest")


def main() -> None:
    args = parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    images = read_images(args)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = args.checkpoint or f"{folder}/random.pth"
        if args.memory_of:
            print(measure_peak(load(args.memory_of, args, checkpoint), images[:MEMORY_IMAGES]))
            return
        if not args.checkpoint:
            squares = [cv2.resize(image, (args.size, args.size)) for image in images]
            save_random_weights(config_of(args), squares, args.border_share, checkpoint)
        theirs, ours = load_mmseg(args, checkpoint), load_ours(args, checkpoint)
        print(
            f"mnv4_vision {mnv4_vision.__version__}, torch {torch.__version__}, "
            f"{torch.backends.cpu.get_cpu_capability()}, {args.config}, {len(images)} images, "
            f"threads {args.threads}, rounds {args.rounds}, clock {clock(args).__name__}"
        )
        print(compare_labels(theirs, ours, images, args))
        print_memory(args, checkpoint)
    print_times(theirs, ours, images, args)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of *.jpg or *.png")
    parser.add_argument("--config", default="configs/seg/deeplabv3plus_mnv4_conv_s.py")
    parser.add_argument("--checkpoint", help="trained weights; default: random ones")
    parser.add_argument("--border-share", type=float, default=0.04, help="of random weights")
    parser.add_argument("--size", type=int, default=512, help="side in pixels; default: 512")
    parser.add_argument("--keep-size", action="store_true", help="leave the photos as they are")
    parser.add_argument("--slide", type=int, nargs=2, metavar=("CROP", "STRIDE"), help="windows")
    parser.add_argument("--num-images", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-of", choices=("mmseg", "ours"), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def read_images(args: argparse.Namespace) -> list[np.ndarray]:
    folder = Path(args.images)
    files = sorted([*folder.glob("*.jpg"), *folder.glob("*.png")])[: args.num_images]
    if not files:
        raise SystemExit(f"--images {args.images}: no *.jpg or *.png there")
    images = [cv2.imread(str(file)) for file in files]
    return images if args.keep_size else [cv2.resize(i, (args.size, args.size)) for i in images]


def config_of(args: argparse.Namespace) -> Config:
    options = RunOptions(args.config, image_size=args.size, pretrained="none")
    cfg = prepare_config(options, splits=())[0]
    if args.slide:
        crop, stride = args.slide
        cfg.model.test_cfg = dict(mode="slide", crop_size=(crop, crop), stride=(stride, stride))
    return cfg


def load_ours(args: argparse.Namespace, checkpoint: str) -> Segmenter:
    return Segmenter(config_of(args), checkpoint)


def load_mmseg(args: argparse.Namespace, checkpoint: str) -> nn.Module:
    """Return mmseg's own segmentor, with the test pipeline where `inference_model` looks for it."""
    cfg = config_of(args)
    cfg.model.type = EncoderDecoder
    steps = cfg.test_dataloader.dataset.pipeline
    cfg.test_pipeline = [step for step in steps if step_name(step) != "LoadMask"]
    return init_model(cfg, checkpoint, device="cpu")


def load(name: str, args: argparse.Namespace, checkpoint: str) -> Callable[[np.ndarray], object]:
    if name == "ours":
        return load_ours(args, checkpoint).segment
    model = load_mmseg(args, checkpoint)
    return lambda image: inference_model(model, image)


def compare_labels(
    theirs: nn.Module, ours: Segmenter, images: Sequence[np.ndarray], args: argparse.Namespace
) -> str:
    """Return a line with the number of different pixels; stop if the maps differ."""
    different = total = 0
    shares = []
    for image in images:
        expected = inference_model(theirs, image).pred_sem_seg.data[0].numpy()
        labels = ours.segment(image).labels
        different += int((labels != expected).sum())
        total += labels.size
        shares.append(border_share(torch.from_numpy(labels)[None]))
    line = (
        f"equality: {different} of {total} labels differ ({different / total:.2%}); "
        f"{np.mean(shares):.1%} of the pixels lie on a border"
    )
    if not (args.keep_size or args.slide) and different > MAX_DIFFERENT * total:
        raise SystemExit(f"the label maps differ: {line}")
    return line


def print_memory(args: argparse.Namespace, checkpoint: str) -> None:
    own = [*sys.argv[1:], "--checkpoint", checkpoint]
    peaks = {}
    for name in ("mmseg", "ours"):
        command = [sys.executable, __file__, *own, "--memory-of", name]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peaks[name] = float(out.strip().splitlines()[-1])
    mmseg, ours = peaks.values()
    print(f"peak memory  mmseg {mmseg:.0f} MB, ours {ours:.0f} MB: {ours / mmseg:.3f} of it")


def measure_peak(run: Callable[[np.ndarray], object], images: Sequence[np.ndarray]) -> float:
    """Return by how many MB the resident set grows at most while `run` labels images."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what loading freed is no room for the images
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = _status_kb("VmRSS")
    for image in images:
        run(image)
    return (_status_kb("VmHWM") - before) * 1024 / 1e6


def _status_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


def print_times(
    theirs: nn.Module, ours: Segmenter, images: Sequence[np.ndarray], args: argparse.Namespace
) -> None:
    forms = {"mmseg": lambda image: inference_model(theirs, image), "ours": ours.segment}
    print_totals(forms, images, args)
    models = {"mmseg": theirs, "ours": ours.model}
    staged = {name: (forms[name], parts_of(model)) for name, model in models.items()}
    print_stages(staged, STAGES, images, args)


def parts_of(model: nn.Module) -> list[tuple]:
    """Return the functions of each stage; `model` is the one that runs."""
    return [
        (Compose, "__call__", "input"),
        (inference.NetworkInput, "__call__", "input"),
        (model.data_preprocessor, "forward", "input"),
        (model.backbone, "forward", "network"),
        (model.decode_head, "forward", "network"),
        (model.decode_head, "predict_by_feat", "labels"),
        (model, "postprocess_result", "labels"),
        (segmentor, "interpolated_argmax", "labels"),
    ]


if __name__ == "__main__":
    main()
