"""Times image file to boxes against mmdet's `inference_detector`: same weights, same process.

    python benchmarks/detect.py --images DIR [--config FILE] [--checkpoint FILE]

One image at a time on the CPU, the forms in turn on every file:
    mmdet     `inference_detector(model, file)`, which builds the test pipeline on every call
    prepared  the same with `test_pipeline=` built once
    ours      `Detector.detect(file)`
A ratio is the median over rounds of our time to theirs; below 1 is faster. With one thread the
clock is the process's CPU time, which a busy machine disturbs little; otherwise it is wall time.
mmdet's model is the network as trained, with mmdet's own prediction in place of our heads' faster
one. Both sides share the loader of files and the NMS.

Without `--checkpoint` the weights are random, but with statistics of these images and predictors
that let `--candidates` scores an image pass the config's `score_thr` (see random_detector.py).

The detections of all images are compared first: each of ours needs one of mmdet's of its class with
box and score within the tolerances, and the reverse. Folding moves scores by float32 rounding, so a
score next to `score_thr`, or an overlap next to NMS's threshold, may fall on the other side: up to
1 % of the detections may lack a partner, and the count is printed.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MethodType
from unittest import mock

import cv2
import numpy as np
import torch
from torch import nn

import mnv4_vision  # first, as mmcv without compiled operators needs its compat

# isort: split
from mmcv.transforms import Compose
from mmdet.apis import inference_detector, init_detector
from mmdet.models.dense_heads import base_dense_head
from mmdet.utils import get_test_pipeline_cfg
from random_detector import save_random_weights

from mnv4_vision.core.engine.prepare import RunOptions, prepare_config
from mnv4_vision.datasets import loading
from mnv4_vision.det import Detections, Detector, inference
from mnv4_vision.det.models import decode

BOX_TOLERANCE_PX, SCORE_TOLERANCE, MAX_UNMATCHED = 0.05, 1e-3, 0.01
STAGES = ("decode", "input", "network", "head decode", "NMS", "rest")


def main() -> None:
    args = parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    files = sorted(map(str, Path(args.images).glob("*.jpg")))[: args.num_images]
    if not files:
        raise SystemExit(f"--images {args.images}: no *.jpg there")
    theirs, ours = load_both(args, files)
    print(
        f"mnv4_vision {mnv4_vision.__version__}, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}, {args.config}, {len(files)} images, "
        f"threads {args.threads}, rounds {args.rounds}, clock {clock(args).__name__}"
    )
    print(compare_detections([find_both(theirs, ours, file) for file in files]))
    print_totals(theirs, ours, files, args)
    print_stages(theirs, ours, files, args)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of *.jpg")
    parser.add_argument("--config", default="configs/det/ssdlite_mnv4_conv_s.py")
    parser.add_argument("--checkpoint", help="trained weights; default: random ones")
    parser.add_argument("--candidates", type=int, default=100, help="of random weights, per image")
    parser.add_argument("--size", type=int, help="input side in pixels; default: the config's")
    parser.add_argument("--num-images", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args(argv)


def load_both(args: argparse.Namespace, files: Sequence[str]) -> tuple[nn.Module, Detector]:
    """Return mmdet's model and our detector with the same weights."""
    options = RunOptions(args.config, image_size=args.size, pretrained="none")
    cfg = prepare_config(options, splits=())[0]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = args.checkpoint or f"{folder}/random.pth"
        if not args.checkpoint:
            save_random_weights(cfg, files, args.candidates, checkpoint)
        ours = Detector(cfg, checkpoint, score_threshold=0.0)
        theirs = init_detector(cfg, checkpoint, device="cpu")
    head = theirs.bbox_head
    stock = base_dense_head.BaseDenseHead.predict_by_feat
    head.predict_by_feat = MethodType(stock, head)
    return theirs, ours


def find_both(theirs: nn.Module, ours: Detector, file: str) -> tuple[Detections, Detections]:
    found = inference_detector(theirs, file).pred_instances.numpy()
    return Detections(found.bboxes, found.scores, found.labels, 0.0), ours.detect(file)


def compare_detections(pairs: Sequence[tuple[Detections, Detections]]) -> str:
    """Return a line with the counts and the largest differences; stop if the two differ."""
    total = unmatched = 0
    box_error = score_error = 0.0
    for expected, found in pairs:
        free = np.ones(len(expected.boxes), bool)
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
            boxes, scores = np.abs(expected.boxes - box).max(1), np.abs(expected.scores - score)
            near = free & (expected.labels == label)
            near &= (boxes <= BOX_TOLERANCE_PX) & (scores <= SCORE_TOLERANCE)
            if not near.any():
                unmatched += 1
                continue
            best = np.flatnonzero(near)[boxes[near].argmin()]
            free[best] = False
            box_error, score_error = max(box_error, boxes[best]), max(score_error, scores[best])
        unmatched += free.sum()
        total += len(expected.boxes)
    line = (
        f"equality: {total} detections of mmdet, {unmatched} of either side without a partner; "
        f"else largest difference {box_error:.1g} px and {score_error:.1g} in score"
    )
    if not total or unmatched > MAX_UNMATCHED * total:
        raise SystemExit(f"the detections differ: {line}")
    return line


def print_totals(
    theirs: nn.Module, ours: Detector, files: Sequence[str], args: argparse.Namespace
) -> None:
    pipeline = Compose(get_test_pipeline_cfg(theirs.cfg.copy()))
    forms = {
        "mmdet": lambda file: inference_detector(theirs, file),
        "prepared": lambda file: inference_detector(theirs, file, test_pipeline=pipeline),
        "ours": ours.detect,
    }
    rounds = [time_round(forms, files, clock(args), i) for i in range(args.rounds + 1)][1:]
    for name in forms:
        median = statistics.median(times[name] for times in rounds)
        ratio = statistics.median(times["ours"] / times[name] for times in rounds)
        print(f"{name:12}{median * 1e3:9.2f} ms per image   ours takes {ratio:.3f} of it")


def time_round(
    forms: dict[str, Callable], files: Sequence[str], now: Callable[[], float], number: int
) -> dict[str, float]:
    """Return seconds per image of each form; who goes first changes from file to file."""
    seconds = dict.fromkeys(forms, 0.0)
    names = list(forms)
    for index, file in enumerate(files, number):
        for name in names[index % 3 :] + names[: index % 3]:
            start = now()
            forms[name](file)
            seconds[name] += now() - start
    return {name: total / len(files) for name, total in seconds.items()}


def print_stages(
    theirs: nn.Module, ours: Detector, files: Sequence[str], args: argparse.Namespace
) -> None:
    """Print the time of each stage, without what it calls of the other stages."""
    rounds = []
    for _ in range(args.rounds + 1):
        with stage_clock(theirs, clock(args)) as seconds_theirs:
            find = lambda file: inference_detector(theirs, file)  # noqa: E731
            run_all(find, files, seconds_theirs, clock(args))
        with stage_clock(ours.model, clock(args)) as seconds_ours:
            run_all(ours.detect, files, seconds_ours, clock(args))
        rounds.append((seconds_theirs, seconds_ours))
    print(f"{'stage':12}{'mmdet ms':>10}{'ours ms':>10}")
    for stage in STAGES:
        cells = (statistics.median(r[side][stage] for r in rounds[1:]) for side in (0, 1))
        print(f"{stage:12}" + "".join(f"{cell * 1e3 / len(files):10.2f}" for cell in cells))


def run_all(
    find: Callable, files: Sequence[str], seconds: dict[str, float], now: Callable[[], float]
) -> None:
    start = now()
    for file in files:
        find(file)
    seconds["rest"] = now() - start - sum(seconds.values())


@contextmanager
def stage_clock(model: nn.Module, now: Callable[[], float]) -> Iterator[dict[str, float]]:
    """Collect seconds per stage; `model` is the one that runs."""
    seconds = dict.fromkeys(STAGES, 0.0)
    head = model.bbox_head
    parts = [
        (loading, "read_image", "decode"),
        (inference, "read_image", "decode"),
        (Compose, "transform", "input"),
        (inference.NetworkInput, "__call__", "input"),
        (model.data_preprocessor, "forward", "input"),
        (model.backbone, "forward", "network"),
        (model.neck, "forward", "network"),
        (head, "forward", "network"),
        (head, "predict_by_feat", "head decode"),
        (base_dense_head, "batched_nms", "NMS"),
        (decode, "batched_nms", "NMS"),
    ]

    def timed(function: Callable, stage: str) -> Callable:
        def call(*args, **kwargs):
            start = now()
            inside = sum(seconds.values())
            try:
                return function(*args, **kwargs)
            finally:
                seconds[stage] += now() - start - (sum(seconds.values()) - inside)

        return call

    with ExitStack() as patches:
        for owner, name, stage in parts:
            replaced = timed(getattr(owner, name), stage)
            patches.enter_context(mock.patch.object(owner, name, replaced))
        yield seconds


def clock(args: argparse.Namespace) -> Callable[[], float]:
    return time.process_time if args.threads == 1 else time.perf_counter


if __name__ == "__main__":
    main()
