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
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MethodType

import cv2
import numpy as np
import torch
from torch import nn

import mnv4_vision  # first, as mmcv without compiled operators needs its compat

# isort: split
from interleaved import clock, print_stages, print_totals
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
    forms = forms_of(theirs, ours)
    print_totals(forms, files, args)
    models = {"mmdet": theirs, "ours": ours.model}
    staged = {name: (forms[name], parts_of(model)) for name, model in models.items()}
    print_stages(staged, STAGES, files, args)


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


def forms_of(theirs: nn.Module, ours: Detector) -> dict[str, Callable]:
    pipeline = Compose(get_test_pipeline_cfg(theirs.cfg.copy()))
    return {
        "mmdet": lambda file: inference_detector(theirs, file),
        "prepared": lambda file: inference_detector(theirs, file, test_pipeline=pipeline),
        "ours": ours.detect,
    }


def parts_of(model: nn.Module) -> list[tuple]:
    """Return the functions of each stage; `model` is the one that runs."""
    head = model.bbox_head
    return [
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


if __name__ == "__main__":
    main()
